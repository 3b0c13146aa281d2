"""The boxes of this installation: one for each purpose, under FIELD_KEY or ARCHIVE_KEY and the key that either follows.

Whoever seals or opens takes the box here, so that an exchange of keys reaches every place.
"""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from compliance.secretbox import SecretBox


def field_box(purpose: str) -> SecretBox:
    """Return the box under FIELD_KEY; what FIELD_KEY_OLD sealed opens too."""
    return _box(settings.FIELD_KEY, purpose, settings.FIELD_KEY_OLD)


def archive_box() -> SecretBox:
    """Return the box of the archive's study keys under ARCHIVE_KEY; what ARCHIVE_KEY_OLD sealed opens too."""
    return _box(settings.ARCHIVE_KEY, "imaging-archive", settings.ARCHIVE_KEY_OLD)


@lru_cache(maxsize=64)  # deriving a key costs more than opening what it sealed
def _box(key: str, purpose: str, former: str) -> SecretBox:
    return SecretBox(key, purpose, former)
