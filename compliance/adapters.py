"""How allauth behaves here: nobody signs up by themselves, and seeds of second factors are sealed."""

from __future__ import annotations

from base64 import b64decode, b64encode

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from django.http import HttpRequest

from compliance.keyring import field_box
from compliance.secretbox import SecretBox

PRODUCT = "Medtwin"


class ClosedAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts are made by administrators only."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Refuse self-registration."""
        return False


class SealedFactors(DefaultMFAAdapter):  # type: ignore[misc]
    """Second factors as allauth stores them, with their seeds sealed under the field key."""

    def encrypt(self, text: str) -> str:
        """Seal a seed for the database."""
        return b64encode(_box().seal(text.encode())).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Open a sealed seed. Raises SecretUnreadable."""
        return _box().open(b64decode(encrypted_text)).decode()

    def get_totp_issuer(self) -> str:
        """Name the product beside the code in the person's app."""
        return PRODUCT

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Bind passkeys to this host, so that a look-alike site can ask for nothing."""
        return {"id": context.request.get_host().partition(":")[0], "name": PRODUCT}


def _box() -> SecretBox:
    return field_box("second-factor")
