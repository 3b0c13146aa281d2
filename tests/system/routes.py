"""Every route of the house, found from the URL configuration, and how to fill it with real identifiers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver

# What anyone may open: signing in and out, the health check, what the FHIR API says of itself, hashes of the log.
# `account/` answers an outsider about himself only.
PUBLIC = {
    "healthz",
    "healthz/ready",
    "fhir/metadata",
    "fhir/openapi.json",
    "fhir/.well-known/smart-configuration",
    "log/checkpoint",
    "log/tile/<path:place>",
}
OWN_ACCOUNT = "account/"
BELOW_DASH = {
    "rest": "_dash-layout",
    "package": "plotly",
    "name": "package_data/plotly.min.js",
}  # a path that Dash serves


@dataclass(frozen=True)
class Route:
    """One URL pattern with the names of its parameters."""

    template: str
    parameters: tuple[str, ...]
    machine: bool  # authenticates by signature instead of by session

    def filled(self, values: Mapping[str, object]) -> str:
        """Return the route's URL with real values."""
        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda match: str(values[match.group(1)]), self.template)

    @property
    def names_an_object(self) -> bool:
        """Tell whether the URL names something that somebody else may own."""
        return any(name.endswith("_id") for name in self.parameters)


def routes() -> list[Route]:
    """Return every route of the house."""
    return [route for route in _walk(get_resolver().url_patterns) if route.template not in PUBLIC]


def private_routes() -> list[Route]:
    """Return the routes that ask the policy who is signed in."""
    return [r for r in routes() if not r.template.startswith(OWN_ACCOUNT) and not r.machine and "^" not in r.template]


def _walk(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[Route]:
    for entry in patterns:
        template = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _walk(entry.url_patterns, template)
            continue
        yield Route(template, tuple(entry.pattern.converters), bool(getattr(entry.callback, "public", False)))
