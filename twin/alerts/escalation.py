"""Who is called next when nobody acts: the ladder as data.

An alert addresses everybody who may acknowledge it from the start. A rung addresses some of them again, by name and
on the record, when it has waited that long without an acknowledgement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from compliance.policy import Role
from twin.alerts.priority import Priority

REPUBLISH_AFTER_S = 5.0  # not on anybody's screen by then: the message was lost, or nobody is looking
SNOOZE_S = 900.0
# An alert that a person resolved while the value is still out of limits comes back after this long.
REARM_S = 900.0


@dataclass(frozen=True, slots=True)
class Rung:
    """After `after_s` seconds without an acknowledgement, everybody with `role` who may acknowledge."""

    after_s: float
    role: Role


LADDER: Mapping[Priority, tuple[Rung, ...]] = {
    Priority.HIGH: (Rung(60, Role.PHYSICIAN), Rung(180, Role.ADMINISTRATOR)),
    Priority.MEDIUM: (Rung(300, Role.PHYSICIAN),),
    Priority.LOW: (),
}


def due_roles(priority: Priority, waited_s: float) -> frozenset[Role]:
    """Return the roles that have to be called once an alert has waited `waited_s` seconds."""
    return frozenset(rung.role for rung in LADDER[priority] if waited_s >= rung.after_s)
