"""Every route and every socket, found from the URL configuration itself: the outsider and the stranger get in nowhere.

A new route is covered the moment it exists: its parameters are filled from real objects of a patient in care, so that a
refusal can only come from the policy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

# What anyone may open: signing in and out, and the health check. `account/` answers an outsider about himself only.
PUBLIC = {"healthz"}
OWN_ACCOUNT = "account/"
METHODS = ["get", "post", "put", "delete"]
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@dataclass(frozen=True)
class Route:
    """One URL pattern with the names of its parameters."""

    template: str
    parameters: tuple[str, ...]
    machine: bool  # authenticates by signature instead of by session


def _walk(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[Route]:
    for entry in patterns:
        template = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _walk(entry.url_patterns, template)
            continue
        yield Route(template, tuple(entry.pattern.converters), bool(getattr(entry.callback, "public", False)))


def routes() -> list[Route]:
    """Return every route of the house."""
    return [r for r in _walk(get_resolver().url_patterns) if r.template not in PUBLIC]


def _filled(route: Route, values: dict[str, object]) -> str:
    """Return the route's URL with real values; a path that Dash serves below its page gets one of Dash's own."""
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda match: str(values[match.group(1)]), route.template)


@pytest.fixture
def values(patient) -> dict[str, object]:  # type: ignore[no-untyped-def]
    """Real identifiers of a patient in care, by parameter name."""
    return _values_of(patient)


def _values_of(patient) -> dict[str, object]:  # type: ignore[no-untyped-def]
    from tests.system.objects import objects_of

    dash = {"rest": "_dash-layout", "package": "dash_table", "name": "bundle.js"}  # below a Dash page
    return {"patient_id": patient.pk, **dash, **objects_of(patient)}


def private_routes() -> list[Route]:
    return [r for r in routes() if not r.template.startswith(OWN_ACCOUNT) and not r.machine and "^" not in r.template]


def test_there_are_routes_to_walk() -> None:
    assert len(private_routes()) > 20


@pytest.mark.parametrize("method", METHODS)
def test_a_stranger_is_sent_to_the_sign_in_page_from_every_route(method: str, client: Client, values) -> None:
    for route in private_routes():
        url = _filled(route, values)
        response = getattr(client, method)(url)
        assert response.status_code in {302, 401, 405}, (method, url, response.status_code)
        if response.status_code == 302:
            assert response["Location"].startswith("/account/login/"), url


@pytest.mark.parametrize("method", METHODS)
def test_the_outsider_is_refused_on_every_route(method: str, client: Client, cast, values) -> None:
    client.force_login(cast["outsider"], backend=BACKEND)
    for route in private_routes():
        url = _filled(route, values)
        response = getattr(client, method)(url)
        assert response.status_code in {403, 404, 405}, (method, url, response.status_code)
        assert b"Byron" not in response.content


@pytest.mark.parametrize("method", METHODS)
def test_a_signed_in_browser_cannot_use_the_doors_of_machines(method: str, client: Client, cast, values) -> None:
    client.force_login(cast["physician"], backend=BACKEND)
    machines = [route for route in routes() if route.machine]
    for route in machines:
        url = _filled(route, values)
        response = getattr(client, method)(url)
        assert response.status_code in {400, 401, 403, 404, 405}, (method, url, response.status_code)


def test_nobody_reaches_a_patient_of_another_ward(client: Client, cast, foreign_patient) -> None:
    values = _values_of(foreign_patient)
    for role in ("nurse", "physician", "caregiver", "administrator", "trainer"):
        client.force_login(cast[role], backend=BACKEND)
        for route in private_routes():
            if not any(name.endswith("_id") for name in route.parameters):
                continue
            url = _filled(route, values)
            for method in ("get", "post"):
                response = getattr(client, method)(url)
                assert response.status_code in {403, 404, 405}, (role, method, url, response.status_code)
                assert b"Somerville" not in response.content
