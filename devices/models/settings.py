"""What is wished of devices: how their gateways shall tell of them. What they do stands in the facts that they tell."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from compliance.models import User
from compliance.policy import Resource
from devices.models.registry import SUITE_CHOICES, Device
from devices.protocol.settings import DeviceSettings
from devices.protocol.suites import SUITES, Suite


class DesiredSettings(models.Model):
    """The wish for one device. number: of its gateway's settings when it was made; the gateway tells it back."""

    device = models.OneToOneField(Device, on_delete=models.CASCADE, primary_key=True, related_name="desired")
    number = models.PositiveBigIntegerField()
    every_s = models.FloatField(default=0.0)  # at most one value of each measurement in this time, s; 0: all of them
    deflate = models.BooleanField(default=False)
    suite = models.PositiveSmallIntegerField(choices=SUITE_CHOICES, null=True, blank=True)  # None: as it is registered
    rules = models.JSONField(null=True, blank=True)  # of the gateway, for its wearer, by name; None: never wished
    set_at = models.DateTimeField()
    set_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name_plural: ClassVar = "desired settings"

    def __str__(self) -> str:
        return f"settings of device {self.device_id}"

    @property
    def wanted(self) -> DeviceSettings:
        """What is wished, as it travels."""
        suite = "" if self.suite is None else SUITES[Suite(self.suite)].name
        return DeviceSettings(self.every_s, self.deflate, suite, self.rules)

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.device.policy_resource()
