"""What a person proves themselves with besides the password, as far as allauth's own table does not hold it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from compliance.models.people import User


class RecoveryCode(models.Model):
    """One code of a person's set. `digest` is a password hash of all but the code's first four symbols, the handle."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    handle = models.CharField(max_length=4)
    digest = models.CharField(max_length=128)
    made_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "handle"], name="recovery_code_handle_once")]

    def __str__(self) -> str:
        return f"recovery code {self.pk} of user {self.user_id}"
