"""What people may call gateways and devices: one rule for the form, the file of many, and the command line."""

from __future__ import annotations

import re

from compliance.errors import DomainError

LONGEST_SERIAL, LONGEST_NAME = 40, 80
# As makers print them: what else stands there is a slip of the keyboard, or a spreadsheet's formula.
_SERIAL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._:/+-]*[A-Za-z0-9])?")
_FORMULA = ("=", "+", "-", "@")

GATEWAY_LINKS = ("wifi", "ethernet", "lte-m")  # towards the server
DEVICE_LINKS = ("ble", "802.15.4", "wifi", "wired")  # towards the gateway


class LabelRefused(DomainError):
    """This cannot be the name or serial number of a gateway or device."""

    code = "label_refused"


def serial_of(text: str) -> str:
    """Return the serial number without the blanks around it. Raises LabelRefused, which says what to mend."""
    serial = text.strip()
    if not serial:
        raise LabelRefused("Write the serial number that stands on the device.")
    if len(serial) > LONGEST_SERIAL:
        raise LabelRefused(f"A serial number has at most {LONGEST_SERIAL} characters; this one has {len(serial)}.")
    if not _SERIAL.fullmatch(serial):
        raise LabelRefused(
            "A serial number has letters, digits, blanks and . _ : / + - and begins and ends with a letter or digit."
        )
    return serial


def name_of(text: str, *, of: str) -> str:
    """Return a name or label without the blanks around it; of: what it names. Raises LabelRefused."""
    name = text.strip()
    if not name:
        raise LabelRefused(f"Write what people here call the {of}.")
    if len(name) > LONGEST_NAME:
        raise LabelRefused(f"A name has at most {LONGEST_NAME} characters; this one has {len(name)}.")
    if not name.isprintable() or name.startswith(_FORMULA):
        raise LabelRefused("A name begins with a letter or a digit and holds no control characters.")
    return name
