"""What a gateway and this house need to speak CoAP under OSCORE: the secret they share, and numbers used once."""

from __future__ import annotations

from django.db import models

from devices.models.registry import Gateway


class CoapSecret(models.Model):
    """One gateway's numbers, and its secret where it was never paired: a paired one's comes from its root."""

    gateway = models.OneToOneField(Gateway, on_delete=models.CASCADE, primary_key=True, related_name="coap_secret")
    secret_sealed = models.BinaryField(null=True)  # 32 bytes, sealed by compliance.secretbox for "coap-secret"
    next_number = models.BigIntegerField(default=0)  # every number below it may have been used by some process
    renewed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"CoAP secret of gateway {self.gateway_id}"
