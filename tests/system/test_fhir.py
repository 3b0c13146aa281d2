"""The FHIR API over everything that the house registers: lists and objects agree, every resource is valid, the
capability statement is true, and no input makes it fail."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compliance import fhir_urls
from compliance.fhir.registry import registered
from compliance.models import Subscription
from compliance.services.rates import Limit
from tests.compliance.fhir.conftest import Caller, make_regimen, nurse, statement_of, token_of, validate
from tests.system.objects import objects_of

__all__ = ["nurse", "token_of"]
ROLES = ["nurse", "physician", "caregiver", "administrator", "trainer", "outsider"]
EXAMPLES = int(os.environ.get("MEDTWIN_FHIR_EXAMPLES", "1"))  # of each operation; more by hand
EXPECTED = {
    "AuditEvent", "Consent", "DetectedIssue", "Device", "DeviceMetric", "DiagnosticReport", "ImagingStudy",
    "MedicationAdministration",
    "MedicationRequest", "MedicationStatement", "Observation", "Patient", "Provenance", "RiskAssessment",
    "Subscription",
}  # fmt: skip


@pytest.fixture
def full_house(cast, patient, foreign_patient):
    """Objects of every kind for a patient in care and for one of another ward."""
    from compliance.models import Consent

    for one in (patient, foreign_patient):
        objects_of(one)
        make_regimen(one)
        from django.utils import timezone

        for given_ in (True, False):
            Consent.objects.create(
                patient=one, purpose="research", given=given_, how="paper", text_version="1", at=timezone.now()
            )
    Subscription.objects.create(
        owner=cast["physician"], scopes="user/*.rs", base="http://testserver/fhir", type="DetectedIssue", reason="test",
        criteria="DetectedIssue", endpoint="https://hook.example/",
    )  # fmt: skip
    return patient, foreign_patient


def test_every_type_is_registered() -> None:
    assert set(registered()) == EXPECTED


def test_search_and_read_agree_for_every_role_and_type(cast, token_of, full_house) -> None:
    _, foreign = full_house
    everything = {name: set() for name in EXPECTED}
    seen: dict[tuple[str, str], set[str]] = {}
    for role in ROLES:
        caller = token_of(cast[role])
        for name in EXPECTED:
            answer = caller.get(f"{name}?_count=200")
            found = set(answer.ids()) if answer.status == 200 else set()
            assert answer.status in {200, 403}
            assert str(foreign.pk) not in json.dumps(answer.body), (role, name)
            seen[role, name] = found
            everything[name] |= found
    for role in ROLES:  # again: each search above was itself an event that a later role was shown
        caller = token_of(cast[role])
        seen[role, "AuditEvent"] = set(caller.get("AuditEvent?_count=200").ids())
    for role in ROLES:
        caller = token_of(cast[role])
        for name, references in everything.items():
            for reference in sorted(references)[:3]:
                status = caller.get(reference).status
                assert (status == 200) == (reference in seen[role, name]), (role, reference, status)
    assert all(everything.values()), [name for name, found in everything.items() if not found]
    assert not any(seen["outsider", name] for name in EXPECTED)


def test_no_reference_parameter_or_include_leads_to_a_foreign_patient(cast, token_of, full_house) -> None:
    _, foreign = full_house
    for role in ("nurse", "physician", "administrator"):
        caller = token_of(cast[role])
        for name, kind in registered().items():
            for parameter in kind.parameters:
                if "Patient" not in parameter.targets:
                    continue
                for query in (f"{parameter.name}={foreign.pk}", f"{parameter.name}=Patient/{foreign.pk}"):
                    answer = caller.get(f"{name}?{query}&_include={name}:{parameter.name}")
                    assert answer.status == 403 or answer.ids() + answer.ids("include") == [], (role, name, query)
            for include in kind.includes:
                answer = caller.get(f"{name}?_include={name}:{include}&_count=200")
                assert str(foreign.pk) not in json.dumps(answer.body)


def test_the_capability_statement_is_true(cast, token_of, full_house) -> None:
    nurse = token_of(cast["nurse"])
    admin, physician = token_of(cast["administrator"]), token_of(cast["physician"])
    statement = Caller().get("metadata").body
    assert statement["fhirVersion"] == "4.3.0"
    for one in statement["rest"][0]["resource"]:
        if one["type"] == "Group":  # exported alone
            continue
        caller = {"AuditEvent": admin, "Subscription": physician}.get(one["type"], nurse)
        codes = {entry["code"] for entry in one["interaction"]}
        found = caller.get(f"{one['type']}?_count=1").ids()[0]
        assert (caller.get(f"{found}/_history").status == 200) == ("history-instance" in codes), one["type"]
        assert (caller.get(f"{one['type']}/_history").status == 200) == ("history-type" in codes), one["type"]
        assert one["readHistory"] == ("history-instance" in codes)
        assert "Versions: " in one["documentation"]
        assert (caller.post(one["type"], {"resourceType": one["type"]}).status == 405) == ("create" not in codes)
        assert (caller.put(found, {"resourceType": one["type"]}).status == 405) == ("update" not in codes)
        assert (caller("DELETE", f"{one['type']}/x").status == 405) == ("delete" not in codes)
        names = [entry["name"] for entry in one["searchParam"]]
        assert len(names) == len(set(names))
        for include in one.get("searchInclude", []):
            assert caller.get(f"{one['type']}?_include={include}").status == 200
        for include in one.get("searchRevInclude", []):
            assert caller.get(f"{one['type']}?_revinclude={include}").status == 200


def test_description_and_statement_name_exactly_what_the_router_has(db) -> None:
    """Paths and methods of the OpenAPI, and interactions and operations of the CapabilityStatement."""
    routed: dict[str, set[str]] = {}
    for route in fhir_urls.urlpatterns:
        methods = getattr(route.callback, "methods", None)
        path = re.sub(r"<[^>]+>", "{}", str(route.pattern))
        if route.name not in {"fhir_nothing"}:
            routed[f"/{path}"] = set(methods) if methods else {POSTED.get(route.name, "GET")}
    described: dict[str, set[str]] = {}
    openapi = json.loads(Caller().client.get("/fhir/openapi.json").content)
    for path, operations in openapi["paths"].items():
        plain = re.sub(r"\{\w+\}", "{}", path)
        shape = re.sub(rf"^/({'|'.join(registered())})(?=$|/_|/{{)", "/{}", plain)
        described.setdefault(shape, set()).update(method.upper() for method in operations)
    assert described == routed
    statement = Caller().get("metadata").body["rest"][0]
    named = {one["type"]: {code["code"] for code in one.get("interaction", [])} for one in statement["resource"]}
    assert named.pop("Group") == set()
    by_operation = {
        "read": ("/{id}", "get"), "vread": ("/{id}/_history/{vid}", "get"),
        "history-instance": ("/{id}/_history", "get"), "history-type": ("/_history", "get"),
        "search-type": ("", "get"), "create": ("", "post"), "update": ("/{id}", "put"), "delete": ("/{id}", "delete"),
    }  # fmt: skip
    assert named == {
        name: {
            code for code, (end, method) in by_operation.items() if method in openapi["paths"].get(f"/{name}{end}", {})
        }
        for name in registered()
    }
    operations = [*statement["operation"], *(op for one in statement["resource"] for op in one.get("operation", []))]
    exports = {operation["definition"].rpartition("/")[2] for operation in operations}
    assert exports == {"export", "patient-export", "group-export"}
    assert sum("$export" in path and "status" not in path for path in routed) == len(exports)


POSTED = {"fhir_token": "POST", "fhir_revoke": "POST"}  # views that are no doors: one method each
SYSTEMS = {
    "http://loinc.org", "http://unitsofmeasure.org", "http://snomed.info/sct", "http://www.whocc.no/atc",
    "http://dicom.nema.org/resources/ontology/DCM", "urn:ietf:rfc:3986", "urn:dicom:uid", "urn:iso:std:iso:11073:10101",
}  # fmt: skip
HL7 = ("urn:medtwin:", "http://hl7.org/fhir/", "http://terminology.hl7.org/CodeSystem/")
UCUM_CODE = re.compile(r"[A-Za-z%\[\]{}'*0-9^./\-]+")


def test_every_row_of_every_type_is_valid_and_leads_somewhere(cast, token_of, full_house) -> None:
    """Each resource by R4B's models; codes from systems that exist, or our own by name; references that can be read."""
    callers = [token_of(cast[role]) for role in ("nurse", "physician", "administrator")]
    seen: set[str] = set()
    for name in registered():
        for caller in callers:
            bundle = caller.get(f"{name}?_count=20")
            for entry in bundle.body.get("entry", []) if bundle.status == 200 else []:
                validate(entry["resource"])
                seen.add(name)
                text = json.dumps(entry["resource"])
                systems = set(re.findall(r'"system": "([^"]+)"', text))
                assert {one for one in systems if not one.startswith(HL7)} <= SYSTEMS, (name, systems)
                for code in re.findall(r'unitsofmeasure.org", "code": "([^"]*)"', text):
                    assert UCUM_CODE.fullmatch(code), (name, code)
                for reference in re.findall(r'"reference": "([^"]+)"', text):
                    assert any(one.get(reference).status == 200 for one in callers), (name, reference)
    assert seen == set(registered())


def test_a_transaction_stands_or_falls_as_a_whole(nurse, patient) -> None:
    good = {
        "request": {"method": "POST", "url": "MedicationStatement"},
        "resource": statement_of(make_regimen(patient)),
    }
    bad = {"request": {"method": "GET", "url": "Patient/nobody"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [good, bad]}
    failed = nurse.post("", bundle)
    assert failed.status == 404
    assert "entry[1]" in failed.body["issue"][0]["expression"][0]
    assert nurse.get("MedicationStatement").body["total"] == 0
    batch = nurse.post("", bundle | {"type": "batch"})
    assert [entry["response"]["status"] for entry in batch.body["entry"]] == ["201", "404"]
    assert nurse.get("MedicationStatement").body["total"] == 1


@pytest.mark.parametrize(
    "entries",
    [
        [{"request": {"method": "DELETE", "url": "Patient/1"}}],
        [{"request": {"method": "GET", "url": "http://elsewhere.example/Patient"}}],
        [{"request": {"method": "GET", "url": "Patient/../x"}}],
        [{"request": {"method": "POST", "url": "Bundle"}, "resource": {"resourceType": "Bundle", "type": "batch"}}],
        [{"request": {"method": "PUT", "url": "MedicationStatement/1"}, "resource": {}}] * 2,
        [{}],
        ["x"],
        [{"request": {"method": "GET", "url": "Patient"}}] * 101,
        [
            {
                "fullUrl": f"urn:uuid:00000000-0000-4000-8000-00000000000{one}",
                "request": {"method": "POST", "url": "MedicationStatement"},
                "resource": {"subject": {"reference": f"urn:uuid:00000000-0000-4000-8000-00000000000{1 - one}"}},
            }
            for one in (0, 1)
        ],
    ],
)
def test_a_transaction_that_makes_no_sense_is_refused(nurse, entries) -> None:
    answer = nurse.post("", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status in {400, 404, 405, 422}, answer.body


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/fhir+json", 400),
        (b"\xff\xfe", "application/fhir+json", 400),
        (b"[]", "application/fhir+json", 400),
        (b'{"a": NaN}', "application/fhir+json", 400),
        (b'{"a": 1, "a": 2}', "application/fhir+json", 400),
        (b'{"a": "\\u0000"}', "application/fhir+json", 400),
        (b'{"a": "\\ud800"}', "application/fhir+json", 400),
        (b'{"a": 1e999}', "application/fhir+json", 400),
        (b'{"a": ' + b"9" * 5000 + b"}", "application/fhir+json", 400),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "application/fhir+json", 400),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "application/fhir+json", 400),
        (b"{}" + b" " * 1_100_000, "application/fhir+json", 413),
        (b"<x/>", "application/fhir+xml", 415),
        (b"{}", "text/plain", 415),
        (b"{}", "application/fhir+json; charset=utf-16", 415),
        (b'{"resourceType": "Patient"}', "application/fhir+json", 400),
    ],
)
def test_a_body_that_cannot_be_taken_is_refused(nurse, body: bytes, content_type: str, status: int) -> None:
    response = nurse.client.generic("POST", "/fhir/Observation", body, content_type, headers=nurse.headers)
    assert response.status_code == status, response.content
    assert json.loads(response.content)["resourceType"] == "OperationOutcome"


WEIRD = st.text(max_size=20) | st.sampled_from(
    ["\0", "'", '"', "%", "\\", "|", ",", "1e999", "ge", "𝟙", "\ud7ff", "../"]
)
CALM = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@CALM
@given(data=st.data())
def test_no_search_makes_the_api_fail(nurse, full_house, data) -> None:
    name = data.draw(st.sampled_from(sorted(EXPECTED)))
    common = ["_id", "_lastUpdated", "_count", "_sort", "_include", "_summary", "_elements", "_page", "_total"]
    names = [parameter.name for parameter in registered()[name].parameters] + common
    modifiers = st.sampled_from(["", "", "", ":not", ":missing", ":exact", ":contains", ":Patient", ":"])
    pair = st.tuples(st.sampled_from(names), modifiers, WEIRD)
    pairs = data.draw(st.lists(pair, min_size=1, max_size=3))
    nurse.search(name, **{key + modifier: value.encode("utf-8", "ignore").decode() for key, modifier, value in pairs})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@CALM
@given(data=st.data())
def test_no_mutated_resource_makes_the_api_fail(nurse, patient, regimen_of_patient, data) -> None:
    from tests.devices.fhir.test_observations import observation

    body = data.draw(st.sampled_from([observation(patient), statement_of(regimen_of_patient)]))
    for _ in range(data.draw(st.integers(1, 3))):
        key = data.draw(st.sampled_from(sorted(body)) | st.text(max_size=8))
        body = body | {key: data.draw(JSON)}
    kind = data.draw(st.sampled_from(["Observation", "MedicationStatement", "Consent"]))
    answer = nurse.post(kind, body)
    assert answer.status in {201, 400, 405, 422}, answer.body


@pytest.fixture
def regimen_of_patient(patient):
    return make_regimen(patient)


@pytest.fixture
def no_limits(monkeypatch):
    """A limit would answer in place of what is tried."""
    endless = 10**9
    monkeypatch.setattr("compliance.services.tokens.PER_MINUTE", endless)
    for name in ("compliance.fhir.authentication.WRONG_TOKENS", "compliance.views.fhir_oauth.TOKEN_REQUESTS",
                 "compliance.rate_limits.STRANGERS"):  # fmt: skip
        monkeypatch.setattr(name, Limit("endless", endless))


@pytest.mark.timeout(180 + 120 * EXAMPLES)
def test_schemathesis_finds_no_failure(cast, token_of, full_house, no_limits) -> None:
    """Every operation of the API's own description, called as its schemas allow and as they do not.

    By a physician, who may do nearly all of it, exports and subscriptions included.
    """
    caller = token_of(cast["physician"])
    description = json.loads(Caller().client.get("/fhir/openapi.json").content)
    schema = schemathesis.openapi.from_dict(description)
    cases = [_call_operation(caller, result.ok()) for result in schema.get_all_operations()]
    print(f"{len(cases)} operations, {sum(cases)} cases, answers {dict(sorted(ANSWERS.items()))}")
    assert len(cases) > 40
    assert all(cases)


ANSWERS: Counter[int] = Counter()


def _held(caller: Caller, path: str) -> str:
    """Return the id of a resource that is there, for operations on one."""
    name = path.split("/")[1]
    found = caller.get(f"{name}?_count=1").ids() if name in registered() and "{id}" in path else []
    return found[0].partition("/")[2] if found else ""


def _call_operation(caller: Caller, operation) -> int:
    """Call an operation with generated cases and return how many there were."""
    cases = 0
    held = _held(caller, operation.path)

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def call(case) -> None:
        nonlocal cases
        cases += 1
        named = dict(case.path_parameters or {})
        if held and cases % 2:  # what is made up is nearly never there
            named["id"] = held
        path = re.sub(r"\{(\w+)\}", lambda match: quote(str(named.get(match[1], "x")), safe=""), case.path)
        asked = {key: str(value) for key, value in (case.headers or {}).items() if str(value).isascii()}
        query = {key: str(value) for key, value in (case.query or {}).items()}
        body = b"" if not isinstance(case.body, dict | list) else json.dumps(case.body).encode()
        response = caller.client.generic(
            case.method.upper(), f"/fhir{path}", body, case.media_type or "application/fhir+json",
            query_params=query, headers=asked | caller.headers,
        )  # fmt: skip
        assert response.status_code < 500, (path, query, body)
        ANSWERS[response.status_code] += 1
        assert response.status_code != 429 or "$export" in path, "a limit answered"
        if response.content:
            validate(json.loads(response.content))

    call()
    return cases


DOC = Path(__file__).resolve().parents[2] / "docs" / "fhir.md"


def test_the_page_names_every_type_and_parameter() -> None:
    rows = {line.split("`")[1]: line for line in DOC.read_text().splitlines() if line.startswith("| `")}
    assert set(rows) == set(registered())
    for name, kind in registered().items():
        for word in [*(p.name for p in kind.parameters), *kind.interactions]:
            assert word in rows[name], (name, word)


def test_the_walk_through_of_the_page_works(nurse, cast, token_of, full_house) -> None:
    lines = re.findall(r"^curl .*?(/fhir/[^' ]*)'?(?: --data '(.*)')?$", DOC.read_text(), re.MULTILINE)
    assert len(lines) == 5
    for path, form in lines:
        if form.startswith("{"):
            made = token_of(cast["physician"]).post(path.removeprefix("/fhir/"), json.loads(form))
            assert made.status == 201, made.body
            continue
        if form:
            response = nurse.client.post(
                path, form, content_type="application/x-www-form-urlencoded", headers=nurse.headers
            )
        else:
            response = nurse.client.get(path, headers=nurse.headers)
        assert response.status_code == 200, path
        assert json.loads(response.content)["resourceType"] == "Bundle"
