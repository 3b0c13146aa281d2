"""The timeline's panel on the patient's page."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from tests.twin.pages.scene import raise_alert


def test_timeline_hides_clinical_events_from_the_administrator(sign_in, patient) -> None:
    from compliance.models import EventCategory
    from compliance.services.events import record_event

    record_event(category=EventCategory.CLINICAL, code="dose_taken", message="Evening dose seen.", patient=patient)
    record_event(category=EventCategory.SECURITY, code="frame_forged", message="A frame was refused.", patient=patient)
    raise_alert(patient, "medium", "Glucose low")
    url = f"/patients/{patient.pk}/panels/timeline/"
    nurse = sign_in("nurse").get(url).content.decode()
    assert all(words in nurse for words in ("Evening dose seen.", "A frame was refused.", "Glucose low"))
    administrator = sign_in("administrator").get(url).content.decode()
    assert "Evening dose seen." not in administrator
    assert "A frame was refused." in administrator


def test_timeline_makes_one_line_of_the_same_fact_again_and_again(sign_in, patient) -> None:
    from compliance.models import Event

    for minutes in (1, 2, 3):
        at = timezone.now() - timedelta(seconds=minutes)
        Event.objects.create(category="security", code="x", message="A frame was refused.", patient=patient, at=at)
    html = sign_in("nurse").get(f"/patients/{patient.pk}/panels/timeline/").content.decode()
    assert html.count("A frame was refused.") == 1
    assert "3 times" in html


def test_timeline_folds_facts_that_take_turns_and_tells_the_patients_time(sign_in, patient) -> None:
    from compliance.models import Event

    patient.time_zone = "Asia/Tokyo"
    patient.save(update_fields=["time_zone"])
    noon = timezone.now().replace(hour=3, minute=5) - timedelta(days=1)  # five past twelve in Tokyo
    for minute in range(4):
        at = noon - timedelta(minutes=minute)
        Event.objects.create(category="security", code="x", message=f"Fact {minute % 2}.", patient=patient, at=at)
    html = sign_in("nurse").get(f"/patients/{patient.pk}/panels/timeline/").content.decode()
    assert [html.count(f"Fact {n}.") for n in range(2)] == [1, 1]
    assert html.count("2 times") == 2
    assert ">12:05<" in html
