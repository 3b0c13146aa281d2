"""Every route and every socket, found from the URL configuration itself: the outsider and the stranger get in nowhere.

A new route is covered the moment it exists: its parameters are filled from real objects of a patient in care, so that a
refusal can only come from the policy.
"""

from __future__ import annotations

import pytest
from django.test import Client

from tests.system.routes import BELOW_DASH, OWN_ACCOUNT, private_routes, routes

METHODS = ["get", "post", "put", "delete"]
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@pytest.fixture
def values(patient) -> dict[str, object]:  # type: ignore[no-untyped-def]
    """Real identifiers of a patient in care, by parameter name."""
    return _values_of(patient)


def _values_of(patient) -> dict[str, object]:  # type: ignore[no-untyped-def]
    from tests.system.objects import objects_of

    return {"patient_id": patient.pk, **BELOW_DASH, **objects_of(patient)}


def test_there_are_routes_to_walk() -> None:
    assert len(private_routes()) > 20


@pytest.mark.parametrize("method", METHODS)
def test_a_stranger_is_sent_to_the_sign_in_page_from_every_route(method: str, client: Client, values) -> None:
    for route in private_routes():
        url = route.filled(values)
        response = getattr(client, method)(url)
        assert response.status_code in {302, 401, 405}, (method, url, response.status_code)
        if response.status_code == 302:
            assert response["Location"].startswith("/account/login/"), url


@pytest.mark.parametrize("method", METHODS)
def test_the_outsider_is_refused_on_every_route(method: str, client: Client, cast, values) -> None:
    client.force_login(cast["outsider"], backend=BACKEND)
    for route in private_routes():
        url = route.filled(values)
        response = getattr(client, method)(url)
        assert response.status_code in {403, 404, 405}, (method, url, response.status_code)
        assert b"Byron" not in response.content


@pytest.mark.parametrize("method", METHODS)
def test_a_signed_in_browser_cannot_use_the_doors_of_machines(method: str, client: Client, cast, values) -> None:
    client.force_login(cast["physician"], backend=BACKEND)
    machines = [route for route in routes() if route.machine and not route.template.startswith(OWN_ACCOUNT)]
    for route in machines:
        url = route.filled(values)
        response = getattr(client, method)(url)
        assert response.status_code in {400, 401, 403, 404, 405}, (method, url, response.status_code)


def test_nobody_reaches_a_patient_of_another_ward(client: Client, cast, foreign_patient) -> None:
    values = _values_of(foreign_patient)
    for role in ("nurse", "physician", "caregiver", "administrator", "trainer"):
        client.force_login(cast[role], backend=BACKEND)
        for route in private_routes():
            if not route.names_an_object:
                continue
            url = route.filled(values)
            for method in ("get", "post"):
                response = getattr(client, method)(url)
                assert response.status_code in {403, 404, 405}, (role, method, url, response.status_code)
                assert b"Somerville" not in response.content
