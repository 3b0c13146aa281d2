"""How long a sign-in lasts: pure arithmetic on when it began and when the person was last seen to act.

A person who was away for a while is not signed out at once: a ward board that goes dark at night is a danger of its
own. While they are *away* the board goes on, and everything else waits until they have shown that it is they.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Standing(StrEnum):
    """What a sign-in is good for now."""

    HERE = "here"  # everything the policy allows
    AWAY = "away"  # only what may be read while nobody is near
    OVER = "over"  # nothing: sign in again


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a person may be idle, and how long a sign-in lasts in all."""

    idle: timedelta
    absolute: timedelta


def standing(*, began: datetime, touched: datetime, now: datetime, limits: Limits) -> Standing:
    """Judge a sign-in. A clock that goes back is no gift of time: what lies in the future is over."""
    if now - began >= limits.absolute or began - now > limits.idle:
        return Standing.OVER
    return Standing.AWAY if now - touched >= limits.idle else Standing.HERE


_BROWSERS = [("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("FxiOS", "Firefox"), ("CriOS", "Chrome"),
             ("Chrome", "Chrome"), ("Safari", "Safari")]  # fmt: skip
_SYSTEMS = [("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"),
            ("CrOS", "ChromeOS"), ("Mac OS X", "Mac"), ("Linux", "Linux")]  # fmt: skip


def device_words(user_agent: str) -> str:
    """Return what a browser says of itself in words a person knows, such as "Firefox on Linux"."""
    browser = next((word for mark, word in _BROWSERS if mark in user_agent), "A browser")
    system = next((word for mark, word in _SYSTEMS if mark in user_agent), "")
    return f"{browser} on {system}" if system else browser
