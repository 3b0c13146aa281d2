"""Marks on views, which the middleware reads: what is open to whom before anything is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase

from compliance.services.rates import Limit


def public(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Mark a view that authenticates by other means than a session, or lets people in."""
    view.public = True  # type: ignore[attr-defined]
    return view


def open_door(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Mark a view that takes a session as well as other credentials, and answers a stranger itself."""
    view.open_door = True  # type: ignore[attr-defined]
    return view


def open_while_away(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Mark a view that goes on while nobody is near: reading the ward board, and proving who one is."""
    view.open_while_away = True  # type: ignore[attr-defined]
    return view


def open_while_enrolling(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Mark a view that staff may use before they have a second factor: those that add one."""
    view.open_while_enrolling = True  # type: ignore[attr-defined]
    return view


def limited(limit: Limit) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Mark a view that costs more than others with a limit of its own, counted for each person."""

    def mark(view: Callable[..., Any]) -> Callable[..., Any]:
        view.limit = limit  # type: ignore[attr-defined]
        return view

    return mark


def limit_of(view: Callable[..., object]) -> Limit | None:
    """Return the limit that a view was marked with."""
    return getattr(view, "limit", None)


def is_public(view: Callable[..., object]) -> bool:
    """Tell whether a view was marked `public`."""
    return bool(getattr(view, "public", False))


def is_open_door(view: Callable[..., object]) -> bool:
    """Tell whether a view was marked `open_door`."""
    return bool(getattr(view, "open_door", False))
