"""Bearer tokens of the FHIR API, the clients that may ask for some, and the assertions that were used up."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q

from compliance.models.people import Patient, User


class FhirClient(models.Model):
    """A backend service: its public keys, its service account, and the scopes that it may ask for at most."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80, unique=True)
    account = models.OneToOneField(User, on_delete=models.PROTECT, related_name="fhir_client")
    jwks = models.JSONField()  # public keys only: RSA or EC P-384, each with its kid
    scopes = models.CharField(max_length=1000)
    shares_outside = models.BooleanField(default=False)  # data leave the house: consent to sharing is asked
    registered_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    registered_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return f"FHIR client {self.pk}"


class ApiToken(models.Model):
    """One bearer token. Only a digest is kept: 256 random bits need no slow hash.

    client is None for a personal token. The window counts requests of one minute, for the rate limit.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    client = models.ForeignKey(FhirClient, on_delete=models.CASCADE, null=True, blank=True, related_name="tokens")
    label = models.CharField(max_length=80, blank=True)
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.CharField(max_length=1000)
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    proved_at = models.DateTimeField(null=True, blank=True)  # the proof it was made with: a second factor, a signature
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    window = models.BigIntegerField(default=0)  # minutes since the Unix epoch
    requests = models.PositiveIntegerField(default=0)  # in that minute

    class Meta:
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [models.Index(fields=["expires_at"], name="api_token_by_expiry")]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(expires_at__gt=models.F("created_at")), name="api_token_lasts")
        ]

    def __str__(self) -> str:
        return f"token {self.pk}"


class SpentAssertion(models.Model):
    """An assertion that a client has used: it buys no second token."""

    client = models.ForeignKey(FhirClient, on_delete=models.CASCADE, related_name="+")
    jti = models.CharField(max_length=128)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["client", "jti"], name="assertion_spent_once")]

    def __str__(self) -> str:
        return f"assertion of {self.client_id}"
