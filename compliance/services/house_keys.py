"""The keys outside of the database are the ones it was sealed with: asked before a process serves anybody."""

from __future__ import annotations

import sys

from django.db import DatabaseError

from compliance.errors import KeyWrong, SecretUnreadable
from compliance.models.keys import ARCHIVE_CHECK, INDEX, house_key

CHECKED = {"FIELD_KEY": INDEX, "ARCHIVE_KEY": ARCHIVE_CHECK}


def check_keys() -> None:
    """Open what shows that a key is right. Raises KeyWrong; a database without tables is asked nothing."""
    for setting, name in CHECKED.items():
        try:
            house_key(name)
        except SecretUnreadable as error:
            raise KeyWrong(
                f"{setting} is not the key that this database was sealed with: set that one again, "
                f"or name it in {setting}_OLD while you exchange it for another.",
                setting=setting,
            ) from error
        except DatabaseError:  # not migrated yet, or away: whoever needs it says so in better words
            return


def stop_on_wrong_keys() -> None:
    """End the process with one sentence where a key is wrong: it would refuse everything, or worse, seal anew."""
    try:
        check_keys()
    except KeyWrong as error:
        sys.exit(error.message)
