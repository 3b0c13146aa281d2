"""Attacks made on every route with every method: other people's identifiers, forged sign-ins, fields that no form has.

What is absent and what is somebody else's get the same answer, found by asking for both.
"""

from __future__ import annotations

import io
import json
import logging
import re
import secrets
import uuid
from collections.abc import Iterator, Mapping
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from compliance.models import (
    ApiToken,
    BrowserSession,
    CareRelationship,
    Consent,
    EmergencyAccess,
    Event,
    Patient,
    PolicyVersion,
    Shift,
    User,
)
from compliance.services.rates import counters
from compliance.services.tokens import issue_personal
from devices.models import Device, Gateway, HL7Destination
from imaging.models import Study
from tests.conftest import sign_in
from tests.system.routes import BELOW_DASH, private_routes, routes
from twin.log_lines import OneLine
from twin.models import Alert

METHODS = ("get", "post", "put", "patch", "delete")
ROLES = ("nurse", "administrator", "patient")  # the widest of each kind; every role is walked by test_every_route.py
REFUSED = {401, 403, 404, 405}
# What an act of one role on another's ward would change. What it may change of its own is not asked here.
HELD = {
    User: ("username", "role", "is_active", "own_patient_id"),
    Patient: ("ward_id", "bed", "given_name", "family_name", "medical_record_number"),
    CareRelationship: ("user_id", "ward_id", "patient_id", "ends_at"),
    Shift: ("user_id", "starts_at", "ends_at"),
    EmergencyAccess: ("user_id", "patient_id", "ends_at", "reviewed_by_id"),
    PolicyVersion: ("active", "sha256"),
    Consent: ("patient_id", "purpose", "given"),
    Gateway: ("ward_id", "state"),
    Device: ("patient_id", "gateway_id", "state", "label"),
    HL7Destination: ("name", "enabled"),
    Alert: ("patient_id", "state"),
    Study: ("patient_id", "state"),
    ApiToken: ("user_id", "scopes", "revoked_at"),
}


def held() -> dict[str, list[tuple[object, ...]]]:
    return {m.__name__: list(m.objects.order_by("pk").values_list("pk", *fields)) for m, fields in HELD.items()}


def values_of(patient) -> dict[str, object]:
    from tests.system.objects import objects_of

    return {"patient_id": patient.pk, **BELOW_DASH, **objects_of(patient)}


def absent_like(values: Mapping[str, object]) -> dict[str, object]:
    """Return identifiers of the same kinds that name nothing."""
    found = dict(values)
    for name, value in values.items():
        if name.endswith("_id"):
            found[name] = uuid.uuid4() if isinstance(value, uuid.UUID) else 2_000_000_000 + len(name)
    return found


def foreign_body(values: Mapping[str, object]) -> dict[str, object]:
    named = {name: value for name, value in values.items() if name.endswith("_id")}
    return named | {name.removesuffix("_id"): value for name, value in named.items()} | {"ids": list(named.values())}


Answer = tuple[int, str, bytes]
PROGRAM = {"accept": "application/json"}  # the short answer: a page around each refusal takes most of its time


def ask(client: Client, method: str, url: str, body: Mapping[str, object], as_json: bool) -> Answer:
    """Ask, and undo whatever it did. Limits of rate start anew: they would answer in place of the policy."""
    counters().forget()
    with transaction.atomic():
        if method == "get":
            answer = client.get(url, headers=PROGRAM)
        elif as_json or method != "post":
            text = json.dumps(body, default=str)
            answer = getattr(client, method)(url, text, "application/json", headers=PROGRAM)
        else:
            answer = client.post(url, body, headers=PROGRAM)
        content = b"" if answer.streaming else answer.content
        transaction.set_rollback(True)
    return answer.status_code, answer.get("Location", ""), content


CHANGING = re.compile(
    rb'name="csrfmiddlewaretoken" value="\w+"|nonce="[^"]+"|"X-CSRFToken": "\w+"|data-await="[^"]*"'
    rb"|[0-9a-f]{8}-[0-9a-f-]{27}|\d{4,}"
)


def shown(answer: Answer) -> Answer:
    """Return an answer without what differs each time it is made, and without identifiers."""
    status, location, content = answer
    return status, CHANGING.sub(b"#", location.encode()).decode(), CHANGING.sub(b"#", content)


@pytest.mark.parametrize("role", ROLES)
def test_what_is_somebody_elses_is_answered_like_what_is_not_there(role, cast, client, foreign_patient) -> None:
    """Horizontal access: every route with an object in its path, every method, the object's owners in the body too."""
    theirs = values_of(foreign_patient)
    nothing, body = absent_like(theirs), foreign_body(theirs)
    before = held()
    sign_in(client, cast[role], fresh=True)
    unlike, let_in = {}, {}
    for route in private_routes():
        if not route.names_an_object:
            continue
        for method in METHODS:
            there = shown(ask(client, method, route.filled(theirs), body, as_json=False))
            gone = shown(ask(client, method, route.filled(nothing), body, as_json=False))
            if there[0] not in REFUSED:
                let_in[f"{method} {route.template}"] = there[0]
            if there != gone:
                unlike[f"{method} {route.template}"] = (there[:2], gone[:2])
            assert b"Somerville" not in there[2], (method, route.template)
    assert let_in == {}
    assert unlike == {}
    assert held() == before


def test_what_is_somebody_elses_costs_as_many_queries_as_nothing(cast, client, foreign_patient) -> None:
    """Seen from outside, a clock tells no more than the answer does."""
    theirs = values_of(foreign_patient)
    nothing = absent_like(theirs)
    sign_in(client, cast["nurse"], fresh=True)
    differ = {}
    for route in private_routes():
        if not route.names_an_object:
            continue
        counts = []
        for values in (nothing, theirs, nothing):  # the first one warms what a process keeps
            with CaptureQueriesContext(connection) as asked:
                ask(client, "get", route.filled(values), {}, as_json=False)
            counts.append(len(asked))
        more = (
            2 if route.template.startswith(("evidence/reading/", "evidence/waveform/")) else 0
        )  # whose the device was at that time
        if not 0 <= counts[1] - counts[2] <= more:
            differ[route.template] = counts[1:]
    assert differ == {}


@pytest.mark.parametrize("role", ROLES)
def test_no_body_reaches_what_is_somebody_elses(role, cast, client, patient, foreign_patient) -> None:
    """One's own objects in the path, another ward's in the body, as a form and as JSON."""
    mine, body = values_of(patient), foreign_body(values_of(foreign_patient))
    before = held()
    sign_in(client, cast[role], fresh=True)
    for route in private_routes():
        for method in METHODS[1:]:
            for as_json in (False, True) if method == "post" else (True,):
                _status, _location, content = ask(client, method, route.filled(mine), body, as_json)
                assert b"Somerville" not in content, (method, route.template)
    assert held() == before  # each was undone; what went to another connection would stay


TAKEN = {
    "role": "administrator", "is_superuser": "on", "is_staff": "on", "is_active": "", "username": "root",
    "state": "retired", "enabled": "", "active": "on", "given": "yes", "reviewed_by": "1", "by": "1",
    "expires_at": "2099-01-01", "ends_at": "2099-01-01", "proved_at": "2099-01-01", "scopes": "system/*.cruds",
    "medical_record_number": "X", "family_name": "Mallory", "bed": "X",
}  # fmt: skip
# What an own form may change with such a name, by role: the rest of the house stays as it is.
OWN_FORMS = {"ApiToken", "Alert", "Consent"}


@pytest.mark.parametrize("role", ["nurse", "physician", "caregiver", "patient"])
def test_no_form_takes_a_field_that_it_does_not_show(role, cast, client, patient, foreign_patient, other_ward) -> None:
    values = values_of(patient)
    theirs = {"user": cast["administrator"].pk, "patient": foreign_patient.pk, "ward": other_ward.pk, "gateway": 1}
    raised = TAKEN | theirs | {f"{name}_id": value for name, value in theirs.items()} | {"own_patient": patient.pk}
    before = held()
    sign_in(client, cast[role], fresh=True)
    for route in routes():
        if "^" in route.template or route.machine or set(route.parameters) & {"factor_id", "session_id"}:
            continue
        counters().forget()
        with transaction.atomic():
            client.post(route.filled(values), raised)
            after = held()
            transaction.set_rollback(True)
        changed = {name for name in HELD_NAMES if after[name] != before[name]}
        assert changed <= OWN_FORMS, (route.template, changed)
        strangers = [row for row in after["ApiToken"] if row not in before["ApiToken"] and row[1] != cast[role].pk]
        assert strangers == [], route.template


HELD_NAMES = [model.__name__ for model in HELD]


# --- Forged proofs of who asks ---------------------------------------------------------------------------------------


def forged_sessions(person) -> Iterator[tuple[str, str]]:
    """Yield session keys that prove nothing, each with what is wrong with it."""
    from importlib import import_module

    from django.conf import settings
    from django.core import signing

    store = import_module(settings.SESSION_ENGINE).SessionStore
    yield "invented", secrets.token_hex(16)
    yield "empty", ""
    yield "a path", "../../twin/settings"
    yield "nul", "a\x00b"
    yield "sql", "' OR '1'='1"
    yield "long", "x" * 4000
    yield "signed by another key", signing.dumps({"_auth_user_id": str(person.pk)}, key="another", salt="sessions")
    unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."
    yield "a token without a signature", unsigned
    for wrong, change in {
        "a stale password": {"_auth_user_hash": "0" * 64},
        "no such backend": {"_auth_user_backend": "os.system"},
        "another person": {"_auth_user_id": "999999"},
        "no sign-in": {"browser_session": str(uuid.uuid4())},
    }.items():
        client = sign_in(Client(), person, fresh=True)
        session = store(client.session.session_key)
        session.update(change)
        session.save()
        yield wrong, str(session.session_key)
    client = sign_in(Client(), person, fresh=True)
    BrowserSession.objects.filter(pk=client.session["browser_session"]).update(ended_at=timezone.now())
    yield "ended", str(client.session.session_key)
    client = sign_in(Client(), person, fresh=True)
    long_ago = timezone.now() - timedelta(days=30)
    BrowserSession.objects.filter(pk=client.session["browser_session"]).update(began_at=long_ago, touched_at=long_ago)
    yield "over", str(client.session.session_key)


def test_a_forged_session_opens_no_route(cast, patient) -> None:
    values = values_of(patient)
    opened = {}
    for wrong, key in forged_sessions(cast["physician"]):
        client = Client()
        for route in private_routes():
            client.cookies["sessionid"] = key
            answer = client.get(route.filled(values))
            asks = answer.status_code == 302 and answer["Location"].startswith("/account/login")
            if not asks and answer.status_code not in REFUSED:
                opened[f"{wrong}: {route.template}"] = answer.status_code
    assert opened == {}


def forged_tokens(person) -> Iterator[str]:
    now = timezone.now()
    good = issue_personal(user=person, label="x", scopes="user/*.cruds", lasts=timedelta(days=1), now=now)
    yield good.secret[:-1] + ("A" if good.secret[-1] != "A" else "B")
    yield good.secret.replace("mtp_", "mtc_")
    yield good.secret.upper()
    yield good.secret + "\x00"
    yield good.token.digest  # what a stolen database holds
    yield "mtp_" + good.token.digest
    yield "mtp_" + secrets.token_urlsafe(32)
    yield "eyJhbGciOiJub25lIn0.eyJzdWIiOiJudXJzZSIsInNjb3BlIjoic3lzdGVtLyouY3J1ZHMifQ."
    for change in (
        {"expires_at": now - timedelta(seconds=1), "created_at": now - timedelta(days=2)},
        {"revoked_at": now},
    ):
        made = issue_personal(user=person, label="x", scopes="user/*.cruds", lasts=timedelta(days=1), now=now)
        ApiToken.objects.filter(pk=made.token.pk).update(**change)
        yield made.secret


def test_a_forged_token_opens_no_route_and_a_good_session_beside_it_does_not_help(cast, patient, monkeypatch) -> None:
    monkeypatch.setattr("compliance.fhir.authentication.spend", lambda *_a, **_k: 0)  # the rate is another test's
    client = sign_in(Client(), cast["physician"], fresh=True)
    doors = ["/fhir/Patient", f"/fhir/Patient/{patient.pk}", "/fhir/$export", "/fhir/AuditEvent", "/fhir/Observation"]
    for secret in forged_tokens(cast["physician"]):
        for path in doors:
            for scheme in ("Bearer", "bearer", "Basic"):
                answer = client.get(path, headers={"Authorization": f"{scheme} {secret}"})
                assert answer.status_code in {401, 429}, (path, scheme, secret[:12], answer.status_code)
                assert b"Byron" not in answer.content


# --- What is written down --------------------------------------------------------------------------------------------

POISON = "x\r\n2026-01-01 00:00:00,000 ERROR django forged\x1b[2J\x1b[31m\u2028\x85end"


def test_nothing_that_a_stranger_writes_makes_a_second_line_in_the_log(cast, patient, client) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger("django").addHandler(handler)
    try:
        values = values_of(patient)
        client.raise_request_exception = False
        sign_in(client, cast["physician"], fresh=True)
        body = dict.fromkeys(
            [*TAKEN, "login", "password", "note", "text", "label", "q", "reason", "explanation"], POISON
        )
        headers = {"User-Agent": POISON, "X-Forwarded-For": POISON, "Referer": POISON, "X-Purpose-Of-Use": POISON}
        for route in routes():
            if "^" in route.template or set(route.parameters) & {"factor_id", "session_id"}:
                continue
            counters().forget()
            url = route.filled(values)
            client.post(url, body)
            client.get(url, {"q": POISON, "page": POISON})
            client.get(url, headers=headers)
            client.get(url + "%0d%0aERROR forged")
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger("django").removeHandler(handler)
    lines = stream.getvalue().splitlines()
    assert lines  # refusals are logged
    strange = [
        line for line in lines if not re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ |  \| |Traceback", line)
    ]
    assert strange == []
    assert "\x1b" not in stream.getvalue()
    assert not Event.objects.filter(detail__icontains="forged").exists()
