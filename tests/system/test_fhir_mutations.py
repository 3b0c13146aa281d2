"""Valid resources of every type, made wrong in seeded ways: whatever comes is taken or refused by name, never a 500."""

from __future__ import annotations

import copy
import json
import random
import re

import pytest

from compliance.fhir.registry import registered
from tests.compliance.fhir.conftest import nurse, token_of, validate
from tests.compliance.fhir.test_subscriptions import subscription
from tests.devices.fhir.test_observations import observation
from tests.system.test_fhir import full_house

__all__ = ["full_house", "nurse", "token_of"]
EACH = 25  # mutations of one resource
DEEP = 40


def _deep(_rng: random.Random) -> object:
    made: object = 1
    for _ in range(DEEP):
        made = {"extension": [made]}
    return made


WRONG = [
    lambda rng: None,
    lambda rng: rng.choice([True, 0, -1, 1.5, 10**19, 10**40, 1e308]),
    lambda rng: "x" * rng.choice([0, 1, 70, 300, 70_000]),
    lambda rng: rng.choice(["\0", "a\0b", "\ud800", "\udfff", "\u202e", "🜚" * 50, "' OR 1=1 --", "%s%n", "../../x"]),
    lambda rng: rng.choice([[], {}, [[]], [{}], [None], {"": {}}, {"reference": 5}, {"coding": "x"}, [[[["x"]]]]]),
    lambda rng: {"reference": rng.choice(["Patient/1", "#x", "urn:uuid:x", "http://elsewhere.example/Patient/1", "/"])},
    lambda rng: rng.choice(["2026-13-45", "0000-00-00", "9999-12-31T23:59:60Z", "2026-02-30T00:00:00+99:99", "now"]),
    _deep,
]


def _places(value: object, path: tuple = ()) -> list[tuple]:
    """Return the path of every value within a resource."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += _places(inner, (*path, key))
    return found


def mutated(resource: dict, rng: random.Random) -> dict:
    """Return the resource with one to three values replaced, removed, doubled, or added."""
    made = copy.deepcopy(resource)
    for _ in range(rng.randint(1, 3)):
        path = rng.choice(_places(made) or [("id",)])
        parent = made
        for key in path[:-1]:
            parent = parent[key]
        act = rng.randrange(4)
        if act == 0 and isinstance(parent, dict):
            parent.pop(path[-1], None)
        elif act == 1 and isinstance(parent, dict):
            parent[rng.choice(["nothing", "_status", "extension", "contained", "text", "modifierExtension", "é"])] = (
                rng.choice(WRONG)(rng)
            )
        elif act == 2 and isinstance(parent, list):
            parent.extend(parent * rng.choice([1, 3, 300]))
        else:
            parent[path[-1]] = rng.choice(WRONG)(rng)
    return made


def written(resource: dict, rng: random.Random) -> bytes:
    """Return the body as JSON, now and then as JSON that no library would write."""
    text = json.dumps(resource)
    odd = rng.randrange(12)
    if odd == 0:
        text = text.replace("{", '{"status": "final", "status": "x", ', 1)
    elif odd == 1:
        text = re.sub(
            r": (-?\d+(?:\.\d+)?)", lambda match: rng.choice([": 1e400", ": -1e400", ": NaN", match[0]]), text
        )
    elif odd == 2:
        text = text[: rng.randrange(len(text))]
    elif odd == 3:
        return text.encode("utf-16")
    return text.encode()


@pytest.fixture
def samples(cast, token_of, full_house) -> dict[str, dict]:
    """One valid resource of every type, as served, and of those that are written as a client would send it."""
    patient, _ = full_house
    found: dict[str, dict] = {}
    for role in ("nurse", "physician", "administrator"):
        caller = token_of(cast[role])
        for name in registered():
            answer = caller.get(f"{name}?_count=1")
            if name not in found and answer.status == 200 and answer.ids():
                found[name] = answer.body["entry"][0]["resource"]
    assert set(found) == set(registered())
    return found | {"Observation": observation(patient), "Subscription": subscription()}


def _call(caller, method: str, path: str, body: bytes) -> int:
    response = caller.client.generic(method, path, body, "application/fhir+json", headers=caller.headers)
    assert response.status_code < 500, (method, path, body[:2000])
    if response.content:
        content = json.loads(response.content)
        validate(content)
        assert response.status_code < 400 or content["resourceType"] == "OperationOutcome"
    return response.status_code


@pytest.fixture
def unlimited(monkeypatch):
    monkeypatch.setattr("compliance.services.tokens.PER_MINUTE", 1_000_000)


def test_no_mutation_of_any_resource_makes_the_api_fail(cast, token_of, samples, unlimited) -> None:
    rng, caller, answers = random.Random(20260101), token_of(cast["physician"]), set()
    for name, resource in samples.items():
        for _ in range(EACH):
            body = written(mutated(resource, rng), rng)
            if rng.random() < 0.5:
                answers.add(_call(caller, "POST", f"/fhir/{name}", body))
            else:
                answers.add(_call(caller, "PUT", f"/fhir/{name}/{resource.get('id', 'x')}", body))
    assert {400, 405, 422} <= answers, "the mutations reach every layer"


def test_no_mutation_of_a_bundle_makes_the_api_fail(cast, token_of, samples, unlimited) -> None:
    rng, caller, answers = random.Random(20260102), token_of(cast["physician"]), set()
    for _ in range(60):
        entries = []
        for place in range(rng.randint(1, 4)):
            name = rng.choice(sorted(samples))
            resource = copy.deepcopy(samples[name])
            there = f"urn:uuid:00000000-0000-4000-8000-{rng.randint(0, 4):012d}"  # to itself, forth, back, in circles
            resource["subject"] = {"reference": there}
            entries.append(
                {
                    "fullUrl": f"urn:uuid:00000000-0000-4000-8000-{place:012d}",
                    "request": {"method": rng.choice(["POST", "POST", "PUT", "GET"]), "url": name},
                    "resource": resource,
                }
            )
        kind = rng.choice(["batch", "transaction"])
        bundle = {"resourceType": "Bundle", "type": kind, "entry": entries}
        answers.add(
            _call(caller, "POST", "/fhir/", written(mutated(bundle, rng) if rng.random() < 0.7 else bundle, rng))
        )
    assert {200, 400, 422} <= answers
