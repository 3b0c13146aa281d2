"""Every attack, in the order of the table in docs/wire-protocol.md."""

from __future__ import annotations

import re

from tests.lab.attack import Attack, LoggedBy
from tests.lab.bedside import BEDSIDE
from tests.lab.crowds import CROWDS
from tests.lab.frames import FRAMES
from tests.lab.identities import IDENTITIES
from tests.lab.published import PUBLISHED

ATTACKS: tuple[Attack, ...] = (*PUBLISHED, *FRAMES, *IDENTITIES, *CROWDS, *BEDSIDE)


def slug(attack: Attack) -> str:
    """Return the name of an attack as it stands in the names of tests: RecordedBolus is recorded-bolus."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", type(attack).__name__).lower()


def as_markdown() -> str:
    """Return the table of docs/wire-protocol.md."""
    head = ["| attack | published | what stops it here | event | test |", "|---|---|---|---|---|"]
    rows = (
        f"| {attack.name} | {attack.published or '-'} | {attack.stopped_by} | {_event(attack)} | `{slug(attack)}` |"
        for attack in ATTACKS
    )
    return "\n".join([*head, *rows]) + "\n"


def _event(attack: Attack) -> str:
    return f"`{attack.event}`" + (" (gateway's log)" if attack.logged_by is LoggedBy.GATEWAY else "")
