"""All roles x all routes x a patient in care and one of another ward: the table says who gets in, the house agrees.

The table is `tests/system/matrix.txt`, a file for people to read: a route that is not in it fails, and so does a line
without a route. A cell is what the role gets with an object in its care: `yes`; `step`, led to confirm a second factor
first; `-`, refused. With an object of another ward every cell is a refusal. After a change of rights or routes, print
the table as it is with `MEDTWIN_MATRIX=print pytest -s tests/system/test_matrix.py` and read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.db import transaction
from django.test import Client

from tests.system.routes import BELOW_DASH, Route, private_routes

TABLE = Path(__file__).with_name("matrix.txt")
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
REFUSED = {401, 403, 404}
STEP_UP = ("/account/reauthenticate", "/account/2fa/reauthenticate", "/account/step-up")


def table() -> dict[str, dict[str, str]]:
    """Return route -> role -> cell."""
    head, *lines = [line for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    roles = head.split()[1:]
    rows = {}
    for line in lines:
        template, *cells = line.rsplit(maxsplit=len(roles))
        assert template not in rows, f"{template} stands there twice"
        rows["" if template == "/" else template] = dict(zip(roles, cells, strict=True))
    return rows


def answer(client: Client, route: Route, values: dict[str, object]) -> str:
    """Ask as a browser would, by GET, or by POST where the route takes nothing else; undo whatever it did."""
    url = route.filled(values)
    with transaction.atomic():
        response = client.get(url)
        if response.status_code == 405:
            response = client.post(url)
        transaction.set_rollback(True)
    if response.status_code in REFUSED:
        return "-"
    assert response.status_code < 500, (url, response.status_code)
    if response.status_code == 302 and response["Location"].startswith(STEP_UP):
        return "step"
    assert not response.get("Location", "").startswith("/account/login"), url
    return "yes"


@pytest.fixture
def values_of():
    from tests.system.objects import objects_of

    return lambda patient: {"patient_id": patient.pk, **BELOW_DASH, **objects_of(patient)}


def roles(cast) -> dict[str, object]:
    return {name: user for name, user in cast.items() if name != "outsider"}


def _print(rows: dict[str, dict[str, str]]) -> None:
    """Print the table in its own form."""
    names = list(next(iter(rows.values())))
    width = max(map(len, rows)) + 2
    print("\n" + "route".ljust(width) + " ".join(name.ljust(13) for name in names).rstrip())
    for template, row in sorted(rows.items()):
        print(((template or "/").ljust(width) + " ".join(row[name].ljust(13) for name in names)).rstrip())


def test_the_table_names_every_route_and_nothing_else() -> None:
    if os.environ.get("MEDTWIN_MATRIX") == "print":
        pytest.skip("printing the table")
    assert {route.template for route in private_routes()} == table().keys()


def test_each_role_gets_exactly_what_the_table_says(client: Client, cast, patient, values_of) -> None:
    values, found = values_of(patient), {}
    for role, user in roles(cast).items():
        client.force_login(user, backend=BACKEND)
        for route in private_routes():
            found.setdefault(route.template, {})[role] = answer(client, route, values)
    if os.environ.get("MEDTWIN_MATRIX") == "print":
        return _print(found)
    assert found == table()
    return None


def test_nobody_gets_anything_of_a_patient_of_another_ward(client: Client, cast, foreign_patient, values_of) -> None:
    values = values_of(foreign_patient)
    for role, user in roles(cast).items():
        client.force_login(user, backend=BACKEND)
        for route in private_routes():
            if route.names_an_object:
                assert answer(client, route, values) == "-", (role, route.template)
