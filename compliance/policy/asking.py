"""The circumstances of the request, socket or task in which the policy is asked, and what it has looked up already.

The middleware opens one for every request; a worker that opens none asks for the role's usual purpose, without a second
factor, and looks everything up anew. Kept by context variable: what runs at the same time in another request, thread
or task has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar, cast

from compliance.policy.rules import Purpose

T = TypeVar("T")


@dataclass(slots=True)
class Asking:
    """Who opens it says what for, and how to find out whether a second factor is fresh."""

    purpose: Purpose | None = None
    fresh: Callable[[], bool] = lambda: False
    found: dict[Hashable, object] = field(default_factory=dict)
    locked: set[str] = field(default_factory=set)  # actions of which a list left out what needs a fresh second factor


_current: ContextVar[Asking | None] = ContextVar("asking", default=None)


@contextmanager
def asking(purpose: Purpose | None = None, fresh: Callable[[], bool] = lambda: False) -> Iterator[Asking]:
    """Open the circumstances of one request, one check of a socket, or one task."""
    opened = Asking(purpose, fresh)
    token = _current.set(opened)
    try:
        yield opened
    finally:
        _current.reset(token)


def current() -> Asking:
    """Return the circumstances at hand; new ones, kept by nobody, where none were opened."""
    return _current.get() or Asking()


def speak_for(fresh: Callable[[], bool]) -> None:
    """Judge the rest of the request as somebody else's: a bearer token brings its own proof, or none.

    What was looked up for the person of the session is forgotten.
    """
    here = current()
    here.fresh = fresh
    here.found.clear()
    here.locked.clear()


def once(key: Hashable, look_up: Callable[[], T]) -> T:
    """Return what was looked up under `key` before in these circumstances, or look it up."""
    found = current().found
    if key not in found:
        found[key] = look_up()
    return cast(T, found[key])


def forget() -> None:
    """Look everything up anew: rights were changed in the midst of the request."""
    current().found.clear()
    current().locked.clear()
