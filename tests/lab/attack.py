"""What an attack is: one thing that somebody tries, where nothing stops it and against the house."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import ClassVar

from tests.lab.house import House


class LoggedBy(StrEnum):
    """Who names an attack that failed."""

    HOUSE = "house"  # an event of the house, in its transparency log as well
    GATEWAY = "gateway"  # a line of the gateway's own log


class Attack(ABC):
    """One attack. Both methods return what the attacker achieved, in words with figures, and "" for nothing.

    name: of its row in docs/wire-protocol.md. published: the advisory or paper, "" for what everybody knows.
    event: the code under which it is on record, and logged_by: on whose.
    """

    name: ClassVar[str]
    published: ClassVar[str] = ""
    stopped_by: ClassVar[str]
    event: ClassVar[str]
    logged_by: ClassVar[LoggedBy] = LoggedBy.HOUSE

    @abstractmethod
    def there(self) -> str:
        """Try it on the vulnerable profile."""

    @abstractmethod
    async def here(self, house: House) -> str:
        """Try it on the house."""


def units_too_many(given_u: float, asked_u: float) -> str:
    """Return the harm of insulin that nobody asked for."""
    return f"{given_u:g} U given, {asked_u:g} U asked for" if given_u > asked_u else ""
