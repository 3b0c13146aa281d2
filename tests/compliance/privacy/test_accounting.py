"""The accounting for those who answer for privacy: their wards, by person, time and purpose; taking it is on record."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.utils import timezone

from compliance.models import AccessRecord, Event
from compliance.privacy.purposes import AccessPurpose
from compliance.services.accesses import record_access, record_list_access
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db
PAGE = "/privacy/accounting/"


@pytest.fixture
def looks(cast, patient, foreign_patient):
    record_access(user=cast["nurse"], patient=patient, what="patient_page")
    record_access(user=cast["physician"], patient=patient, what="study", purpose=AccessPurpose.EMERGENCY)
    record_access(user=cast["trainer"], patient=patient, what="history")
    AccessRecord.objects.filter(what="history").update(at=timezone.now() - timedelta(days=40))
    record_list_access(user=cast["nurse"], patients=[patient.pk], what="alerts")
    record_access(user=cast["nurse"], patient=foreign_patient, what="device")


def told(client, query: str = "") -> list[str]:
    """Return which parts the CSV names, in its order."""
    answer = client.get(f"{PAGE}file/{query}")
    assert answer.status_code == 200
    return [row["what"] for row in csv.DictReader(io.StringIO(answer.content.decode()))]


def test_it_is_filtered_by_person_time_and_purpose(client, cast, patient, foreign_patient, looks) -> None:
    sign_in(client, cast["administrator"], fresh=True)
    assert set(told(client)) == {"Images", "Page on the ward"}, "of the last thirty days, without lists"
    assert "List of alarms" in told(client, "?lists=yes")
    assert told(client, "?purpose=emergency") == ["Images"]
    day = (timezone.now() - timedelta(days=40)).date().isoformat()
    assert told(client, f"?from={day}&to={day}") == ["Values over time"]
    assert set(told(client, f"?patient={patient.pk}")) == {"Images", "Page on the ward"}
    assert told(client, f"?patient={foreign_patient.pk}") == [], "of another ward"
    assert set(told(client, "?from=nonsense&patient=x&purpose=x")) == {"Images", "Page on the ward"}


def test_the_page_names_who_looked_and_marks_emergencies(client, cast, looks) -> None:
    html = sign_in(client, cast["administrator"], fresh=True).get(PAGE).content.decode()
    assert "emergency access" in html
    assert "Ada Byron" in html
    assert "Somerville" not in html
    empty = client.get(f"{PAGE}?purpose=training").content.decode()
    assert "Nobody looked." in empty


def test_reading_and_taking_it_are_on_record_and_need_a_second_factor(client, cast, patient, looks) -> None:
    sign_in(client, cast["administrator"])
    for place in (PAGE, f"{PAGE}file/"):
        assert client.get(place)["Location"].startswith("/account/step-up/")
    sign_in(client, cast["administrator"], fresh=True)
    told(client)
    assert Event.objects.get(code="accounting_exported").detail == {"rows": 2}
    assert AccessRecord.objects.filter(user=cast["administrator"], patient=patient, what="accounting").exists()
    for role in ("nurse", "physician", "caregiver", "trainer", "patient"):
        sign_in(client, cast[role], fresh=True)
        assert client.get(PAGE).status_code in {403, 404}
        assert client.get(f"{PAGE}file/").status_code in {403, 404}
