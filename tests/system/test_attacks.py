"""Attacks that need no knowledge of a page, made on every route of the URL configuration."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.test import Client

from compliance.models import Event, User
from compliance.services.rates import counters
from tests.conftest import sign_in
from tests.system.routes import BELOW_DASH, private_routes, routes

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = [
    "https://evil.example/x",
    "//evil.example/x",
    "/\\evil.example",
    "javascript:alert(1)",
    "https:evil.example",
]
INJECTIONS = ["' OR '1'='1", "1; DROP TABLE compliance_user; --", "%27)) UNION SELECT 1--", "\x00", "\U0001f4a5" * 50]


@pytest.fixture
def values(patient) -> dict[str, object]:
    from tests.system.objects import objects_of

    return {"patient_id": patient.pk, **BELOW_DASH, **objects_of(patient)}


def parameter_names() -> list[str]:
    """Return every name that a view or a selector reads from a query, found in the source."""
    found = set()
    for package in ("compliance", "devices", "imaging", "twin"):
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text()
            found |= set(re.findall(r"(?:GET|query|parameters)\.get(?:list)?\(\s*\"([\w-]+)\"", text))
            found |= set(re.findall(r"GET\[\"([\w-]+)\"\]", text))
    return sorted(found | {"page", "q", "period", "ward", "kind", "next", "from", "to", "sort", "id"})


@pytest.mark.parametrize("injected", INJECTIONS, ids=["or", "drop", "union", "nul", "wide"])
def test_no_query_parameter_of_any_route_reaches_the_database_as_text(injected: str, client, cast, values) -> None:
    sign_in(client, cast["physician"], fresh=True)
    client.raise_request_exception = False
    query = dict.fromkeys(parameter_names(), injected)
    assert len(query) >= 10
    people = User.objects.count()
    broken = [r.template for r in private_routes() if client.get(r.filled(values), query).status_code >= 500]
    assert broken == []
    assert User.objects.count() == people


def test_every_unsafe_request_without_a_token_of_the_form_is_refused(cast, values) -> None:
    strict = Client(enforce_csrf_checks=True)
    sign_in(strict, cast["physician"], fresh=True)  # the token is asked for before any right is
    before = set(Event.objects.values_list("pk", flat=True))
    passed = {}
    for route in private_routes():
        counters().forget()  # a limit of rate would answer in place of what is tested
        for method in ("post", "put", "patch", "delete"):
            response = getattr(strict, method)(route.filled(values))
            if response.status_code not in {401, 403, 404, 405}:
                passed[f"{method} {route.template}"] = response.status_code
    assert passed == {}
    done = Event.objects.exclude(pk__in=before).exclude(category="security")
    assert list(done) == []


@pytest.mark.parametrize("place", ELSEWHERE)
def test_no_route_leads_to_another_site(place: str, client, cast, values) -> None:
    sign_in(client, cast["physician"], fresh=True)
    names = {"next": place, "back": place, "url": place, "return": place, "redirect": place}
    for route in private_routes():
        for method in (client.get, client.post):
            url = route.filled(values) + "?" + "&".join(f"{name}={value}" for name, value in names.items())
            response = method(url, names, HTTP_REFERER=place) if method == client.post else client.get(url)
            leads = response.get("Location", "") + response.get("HX-Redirect", "")
            assert not re.match(r"(?:\w+:)?[/\\]{2}|javascript:|https:", leads), (route.template, leads)


def test_a_foreign_id_in_a_body_is_refused_like_one_that_does_not_exist(client, cast, values, foreign_patient) -> None:
    from tests.system.objects import objects_of

    foreign = {"patient_id": foreign_patient.pk, **objects_of(foreign_patient)}
    held = {name: value for name, value in foreign.items() if name.endswith("_id")}
    body = held | {name.removesuffix("_id"): value for name, value in held.items()}
    for role in ("nurse", "physician", "caregiver"):
        sign_in(client, cast[role], fresh=True)
        for route in private_routes():
            if route.machine:
                continue
            response = client.post(route.filled(values), body)
            assert b"Somerville" not in response.content, (role, route.template)
    touched = Event.objects.filter(patient=foreign_patient, user__in=list(cast.values()))
    assert not touched.exists()


def test_no_form_takes_a_field_that_it_does_not_show(client, cast, values) -> None:
    raised = {
        "role": "administrator", "is_superuser": "on", "is_staff": "on", "username": "root", "own_patient": "1",
    }  # fmt: skip
    before = list(User.objects.order_by("pk").values_list("pk", "username", "role", "own_patient", "is_active"))
    sign_in(client, cast["nurse"], fresh=True)
    for route in routes():
        if "^" not in route.template and not route.machine and not set(route.parameters) & {"factor_id", "session_id"}:
            client.post(route.filled(values), raised)
    after = list(User.objects.order_by("pk").values_list("pk", "username", "role", "own_patient", "is_active"))
    assert after == before


def test_a_host_that_is_not_ours_is_not_answered(client, db) -> None:
    assert client.get("/account/login/", headers={"host": "evil.example"}).status_code == 400
    assert client.get("/account/login/", headers={"x-forwarded-host": "evil.example"}).status_code == 200
    assert b"evil.example" not in client.get("/account/login/", headers={"x-forwarded-host": "evil.example"}).content


@pytest.mark.parametrize(
    "path",
    [
        "/static/../twin/settings.py",
        "/static/%2e%2e/twin/settings.py",
        "/static/css/..%2f..%2f..%2ftwin/settings.py",
        "/analytics/assets/plotly/../../../twin/settings.py",
        "/analytics/assets/plotly/%2e%2e%2f%2e%2e%2fdash%2fdash.py",
        "/analytics/assets/..%2f..%2fetc/passwd",
    ],
)
def test_no_path_leaves_its_folder(path: str, client, cast) -> None:
    sign_in(client, cast["nurse"])
    response = client.get(path)
    assert response.status_code in {400, 404}, response.status_code


def test_an_unknown_name_costs_the_server_as_much_as_a_wrong_password(client, cast, monkeypatch) -> None:
    hashed = []
    encode = Argon2PasswordHasher.encode
    verify = Argon2PasswordHasher.verify
    monkeypatch.setattr(Argon2PasswordHasher, "encode", lambda *a: hashed.append("made") or encode(*a))
    monkeypatch.setattr(Argon2PasswordHasher, "verify", lambda *a: hashed.append("checked") or verify(*a))
    answers = []
    for name in ("nurse", "nobody-of-that-name"):
        hashed.clear()
        response = client.post("/account/login/", {"login": name, "password": "wrong horse battery"})
        shown = re.sub(
            rb'name="csrfmiddlewaretoken" value="\w+"|nonce="[^"]+"|"X-CSRFToken": "\w+"', b"", response.content
        )
        answers.append((response.status_code, shown.replace(name.encode(), b"NAME"), len(hashed)))
    assert answers[0][2] == answers[1][2] == 1
    assert answers[0] == answers[1]


def _imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


WRITES_ZIP = ROOT / "compliance" / "copies" / "archive.py"  # a patient's copy: only ever opened for writing, see below


def test_no_module_parses_xml_or_unpacks_archives() -> None:
    forbidden = ("xml", "lxml", "defusedxml", "zipfile", "tarfile", "pickle", "shelve", "marshal", "yaml")
    wrong = {
        str(path.relative_to(ROOT)): sorted(bad)
        for package in ("compliance", "devices", "imaging", "twin")
        for path in (ROOT / package).rglob("*.py")
        if path != WRITES_ZIP
        if (bad := {name for name in _imports_of(path) if name.split(".")[0] in forbidden})
    }
    assert wrong == {}
    opened = re.findall(r"ZipFile\(([^)]*)\)", WRITES_ZIP.read_text())
    assert [one.split(", ")[1] for one in opened] == ['"w"']
