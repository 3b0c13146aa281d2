"""A patient's own token reads the own record, all of it, and nothing else; it writes nothing."""

from __future__ import annotations

import pytest

from compliance.fhir.registry import registered
from compliance.models import AccessRecord
from tests.conftest import sign_in
from tests.system.objects import objects_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def both(patient, foreign_patient):
    objects_of(patient)
    objects_of(foreign_patient)
    return patient


def patients_in(answered) -> set[str]:
    """Return every patient that a Bundle's resources refer to, wherever in them."""
    import json
    import re

    return set(re.findall(r'"Patient/([0-9a-f-]{36})"', json.dumps(answered.body)))


def test_the_own_token_reads_every_type_and_nobody_elses(token_of, cast, both) -> None:
    call = token_of(cast["patient"], "patient/*.rs", both)
    for name in registered():
        found = call.get(name)
        assert found.status == 200, (name, found.body)
        assert patients_in(found) <= {str(both.pk)}, name
    found = call.get("Observation")
    assert found.ids(), "the glucose reading is there"
    assert {entry["resource"]["id"] for entry in call.get("Patient").body["entry"]} == {str(both.pk)}
    assert set(AccessRecord.objects.exclude(user=None).values_list("purpose", flat=True)) == {"own"}


def test_the_own_token_asked_for_another_finds_nothing(token_of, cast, both, foreign_patient) -> None:
    call = token_of(cast["patient"], "patient/*.rs", both)
    assert call.get(f"Patient/{foreign_patient.pk}").status == 404
    assert call.get(f"Observation?patient=Patient/{foreign_patient.pk}").ids() == []
    forged = token_of(cast["patient"], "patient/*.rs", foreign_patient)
    assert forged.get(f"Patient/{foreign_patient.pk}").status == 404, "a token never reaches further than its person"
    assert token_of(cast["patient"], "user/*.cruds").get(f"Patient/{foreign_patient.pk}").status == 404


@pytest.mark.parametrize("scopes", ["patient/*.cruds", "user/*.cruds"])
def test_the_own_token_writes_nothing(scopes, token_of, cast, both) -> None:
    call = token_of(cast["patient"], scopes, both)
    for name in registered():
        assert call.post(name, {"resourceType": name}).status in {400, 403, 405, 422}, name
    statement = {"resourceType": "Consent", "status": "active"}
    assert call.post("Consent", statement).status == 403


def test_when_the_account_is_nobodys_any_more_the_token_reads_nothing(token_of, cast, both) -> None:
    call = token_of(cast["patient"], "patient/*.rs", both)
    cast["patient"].own_patient = None
    cast["patient"].save()
    assert call.get("Patient").status == 403
    assert call.get(f"Patient/{both.pk}").status == 403


def test_a_patient_makes_a_token_for_the_own_record_alone(client, cast, patient, foreign_patient) -> None:
    from compliance.models import ApiToken

    sign_in(client, cast["patient"], fresh=True)
    page = client.get("/tokens/").content.decode()
    assert "patient/*.rs" in page
    assert "Only for this patient" not in page
    made = {"label": "My app", "scopes": "patient/*.read", "days": "7", "patient": str(foreign_patient.pk)}
    assert client.post("/tokens/", made).status_code == 200
    token = ApiToken.objects.get()
    assert (token.patient, token.scopes) == (patient, "patient/*.rs")
    for scopes in ("user/*.rs", "patient/*.cruds", "system/*.rs", "patient/*.rs user/Patient.rs"):
        assert client.post("/tokens/", made | {"scopes": scopes}).status_code == 400, scopes
    assert ApiToken.objects.count() == 1


def test_the_own_token_reads_what_the_own_record_said_before(token_of, cast, both, foreign_patient) -> None:
    from tests.compliance.fhir.test_histories import correct

    correct(cast, both, "family_name", "Lovelace")
    correct(cast, foreign_patient, "family_name", "Murray")
    call = token_of(cast["patient"], "patient/*.rs", both)
    for place in ("Patient/_history", f"Patient/{both.pk}/_history"):
        rows = call.get(place).body["entry"]
        assert [row["resource"]["name"][0]["family"] for row in rows] == ["Lovelace", "Byron"], place
    for name, kind in registered().items():
        found = call.get(f"{name}/_history")
        assert (found.status == 200) == kind.history_kept, (name, found.body)
        assert patients_in(found) <= {str(both.pk)}, name
        assert str(foreign_patient.pk) not in str(found.body), name
