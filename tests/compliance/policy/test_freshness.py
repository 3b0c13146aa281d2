"""Whose proof counts, where it is asked for, and that no right which needs it can be forgotten."""

from __future__ import annotations

import ast
import inspect
from datetime import timedelta
from importlib import import_module
from types import ModuleType

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from compliance.policy import ACTIONS, SENSITIVE, house_text
from compliance.services.tokens import is_proved, issue_personal
from tests.compliance.policy.test_querysets import LOCKED
from tests.compliance.policy.versions import activate
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db
ASYNC = {"Prefer": "respond-async"}
# Views that ask for a factor before one thing that a wide right allows, and not before the others.
PARTLY = {"compliance.view_log": "downloads of proofs", "compliance.view_report": "downloads of reports"}


def bearer(user, proved, scopes="system/*.rs") -> dict[str, str]:
    now = timezone.now()
    issued = issue_personal(
        user=user, label="t", scopes=scopes, lasts=timedelta(days=1), now=now, proved_at=proved and now - proved
    )
    return {"Authorization": f"Bearer {issued.secret}"}


@pytest.mark.parametrize(
    ("browser", "proved", "answered"),
    [
        (True, None, 403),  # the fresh browser proves nothing for the stale token
        (True, timedelta(minutes=6), 403),
        (True, timedelta(minutes=-1), 403),  # a proof of the future is none
        (False, timedelta(minutes=1), 202),  # the stale browser takes nothing from the fresh token
        (None, timedelta(minutes=1), 202),
        (None, None, 403),
    ],
)
def test_a_token_brings_its_own_proof_or_none(cast, browser, proved, answered) -> None:
    client = Client()
    if browser is not None:
        sign_in(client, cast["administrator"], fresh=browser)
    answer = client.get("/fhir/$export", headers={**bearer(cast["physician"], proved), **ASYNC})
    assert answer.status_code == answered, answer.content


@pytest.mark.parametrize(("proved", "shown"), [(None, 0), (timedelta(minutes=1), 1)])
def test_a_stale_token_reads_nothing_of_what_waits_for_a_proof(cast, patient, proved, shown) -> None:
    activate(house_text() + LOCKED)
    client = sign_in(Client(), cast["physician"], fresh=True)
    answer = client.get("/fhir/Patient", headers=bearer(cast["nurse"], proved, "user/*.rs"))
    assert answer.json().get("total", 0) == shown
    assert (b"Byron" in answer.content) is bool(shown)


def test_a_token_made_after_a_proof_carries_its_moment(fresh_client, cast) -> None:
    from compliance.models import ApiToken

    fresh_client(cast["nurse"]).post("/tokens/", {"label": "x", "scopes": "user/Patient.rs", "days": 1})
    token = ApiToken.objects.get()
    assert is_proved(token, timezone.now())
    assert not is_proved(token, timezone.now() + timedelta(minutes=5, seconds=1))


def test_a_page_whose_list_is_locked_says_so_and_leads_to_the_question(client, cast, patient) -> None:
    activate(house_text() + LOCKED)
    sign_in(client, cast["nurse"])
    page = client.get("/devices/")
    assert b"locked until you prove who you are" in page.content
    assert "/account/step-up/" in client.get(f"/patients/{patient.pk}/")["Location"]
    sign_in(client, cast["nurse"], fresh=True)
    assert b"locked until" not in client.get("/devices/").content
    assert client.get(f"/patients/{patient.pk}/").status_code == 200


def test_what_is_locked_tells_nothing_of_what_exists(client, cast, foreign_patient) -> None:
    activate(house_text() + LOCKED)
    sign_in(client, cast["nurse"])
    absent = "00000000-0000-4000-8000-000000000000"
    answers = {client.get(f"/patients/{pk}/").status_code for pk in (foreign_patient.pk, absent)}
    assert answers == {404}


def _views(patterns=None):
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(entry, URLResolver):
            yield from _views(entry.url_patterns)
        elif isinstance(entry, URLPattern):
            yield inspect.unwrap(entry.callback)


def _called(node: ast.AST) -> set[str]:
    return {call.func.id for call in ast.walk(node) if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)}


def _rights_named(node: ast.AST, module: ModuleType) -> set[str]:
    """Return the actions that a function names: in so many words, or by a constant of its module."""
    words = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
    held = [getattr(module, part.id, None) for part in ast.walk(node) if isinstance(part, ast.Name)]
    return {word for word in [*words, *held] if isinstance(word, str) and word in ACTIONS}


def test_a_right_whose_use_asks_for_a_factor_is_marked_sensitive() -> None:
    """Found from the URL configuration: no new view that asks can be left out of the policy's rule."""
    forgotten: dict[str, set[str]] = {}
    asking = 0
    for module in {import_module(view.__module__) for view in _views() if view.__module__.split(".")[0] in HOUSE}:
        functions = {
            node.name: node for node in ast.parse(inspect.getsource(module)).body if isinstance(node, ast.FunctionDef)
        }
        for name, node in functions.items():
            if "require_fresh" not in _called(node):
                continue
            asking += 1
            reached = [node, *(functions[other] for other in _called(node) & functions.keys())]
            named = set[str]().union(*(_rights_named(part, module) for part in reached))
            if not named & SENSITIVE and not named <= PARTLY.keys():
                forgotten[f"{module.__name__}.{name}"] = named
    assert asking >= 15
    assert forgotten == {}


HOUSE = {"compliance", "devices", "imaging", "twin"}
