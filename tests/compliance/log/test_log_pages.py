"""The pages of the log: what each reader sees, what it proves, and what strangers may fetch."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from compliance.log.merkle import HASH_BYTES, leaf_hash, root_of
from compliance.log.notes import Checkpoint, Note
from compliance.models import Event, EventCategory, LogCheckpoint, LogEntry
from compliance.selectors.log import entry_of_event
from compliance.services.log import append, sequence
from compliance.services.log_erasure import erase_subject
from compliance.services.log_witnesses import cosign
from compliance.verify.__main__ import main
from tests.conftest import sign_in
from tests.words import stands

pytestmark = pytest.mark.django_db
SECRET = "Evening dose given."


@pytest.fixture
def dose(patient):
    """A clinical event with a place in the log."""
    from compliance.services.events import record_event

    event = record_event(category=EventCategory.CLINICAL, code="dose_given", message=SECRET, patient=patient)
    sequence()
    return event


def page(entry: LogEntry) -> str:
    return f"/log/entries/{entry.pk}/"


def html_of(client, user, url: str) -> str:
    response = sign_in(client, user).get(url)
    assert response.status_code == 200, (url, response.status_code)
    return response.content.decode()


def test_readers_see_the_log_of_their_ward_and_nobody_elses(client, cast, act, foreign_patient, dose) -> None:
    act(patient=foreign_patient, code="dose_withheld")
    html = html_of(client, cast["nurse"], "/log/")
    assert SECRET in html
    assert "dose_withheld" not in html
    foreign = LogEntry.objects.get(patient_id=foreign_patient.pk)
    assert client.get(page(foreign)).status_code == 404
    assert client.get(f"/log/events/{foreign.event_id}/").status_code == 404


@pytest.mark.parametrize("role", ["caregiver", "trainer", "outsider"])
def test_who_has_no_right_to_the_log_is_refused(client, cast, role, dose) -> None:
    sign_in(client, cast[role])
    assert {client.get(url).status_code for url in ("/log/", page(entry_of_event(dose.pk)))} <= {403, 404}


def test_a_clinical_record_is_shown_to_those_who_may_see_medication_alone(client, cast, dose) -> None:
    entry = entry_of_event(dose.pk)
    assert SECRET in html_of(client, cast["nurse"], page(entry))
    for url in ("/log/", page(entry)):
        html = html_of(client, cast["administrator"], url)
        assert SECRET not in html
        assert "dose_given" not in html
        assert bytes(entry.salt).hex() not in html
    assert bytes(entry.commitment).hex() in html
    assert "shown to those who may see this patient" in html


def test_searching_by_code_does_not_tell_what_a_hidden_record_holds(client, cast, dose) -> None:
    assert "A clinical record" in html_of(client, cast["administrator"], "/log/?q=0")
    assert "No entry matches" in html_of(client, cast["administrator"], "/log/?q=dose_given")
    assert SECRET in html_of(client, cast["nurse"], "/log/?q=dose_g")


def test_what_a_model_decided_about_a_patient_is_clinical_too(client, cast, patient) -> None:
    entry = append(kind="risk_estimated", record={"probability": 0.25}, patient_id=patient.pk, ward_id=patient.ward_id)
    assert "0.25" in html_of(client, cast["nurse"], page(entry))
    assert not stands("0.25", html_of(client, cast["administrator"], page(entry)))


def test_filters_narrow_and_pages_follow_a_cursor(client, cast, act, monkeypatch) -> None:
    monkeypatch.setattr("compliance.views.log.PAGE", 3)
    act(5)
    act(1, category=EventCategory.SECURITY, code="frame_forged")
    first = html_of(client, cast["nurse"], "/log/?category=clinical")
    assert first.count('class="log-state') == 3
    older = re.search(r'href="(/log/\?category=clinical&amp;before=\d+)"', first)[1].replace("&amp;", "&")
    second = html_of(client, cast["nurse"], older)
    assert second.count('class="log-state') == 2
    assert "Older" not in second
    later = (timezone.now() + timedelta(hours=1)).isoformat().replace("+", "%2B")
    assert "No entry matches" in html_of(client, cast["nurse"], f"/log/?from={later}")


@pytest.mark.parametrize(
    "query", ["category=x", "patient=x", "from=yesterday", "before=-1", "before=" + "9" * 30, "q=" + "9" * 30]
)
def test_a_filter_that_cannot_be_read_is_named(client, cast, query) -> None:
    response = sign_in(client, cast["nurse"]).get(f"/log/?{query}", headers={"Accept": "application/json"})
    assert (response.status_code, response.json()["error"]) == (400, "log_question_wrong")


def test_an_entry_that_waits_says_so_and_a_placed_one_is_verified_now(client, cast, act, two_witnesses) -> None:
    (event,) = act()
    entry = entry_of_event(event.pk)
    assert "waits for its place" in html_of(client, cast["nurse"], page(entry))
    act(4)
    cosign(sequence())
    html = html_of(client, cast["nurse"], page(entry))
    assert "Verified just now" in html
    assert html.count("check-line holds") == 6  # in the log, as committed, the log, two witnesses, enough of them
    assert "check-line broken" not in html
    assert '<svg class="log-tree"' in html
    assert html.count('class="given"><rect') == 3


@pytest.mark.parametrize("text", ['{"kind":"event","category":"security"}', "no JSON", "[]"])
def test_a_record_changed_by_hand_is_shown_as_broken(client, cast, dose, text) -> None:
    LogEntry.objects.filter(event_id=dose.pk).update(record=text)
    html = html_of(client, cast["nurse"], page(entry_of_event(dose.pk)))
    assert "This entry does not hold" in html
    assert "check-line broken" in html
    html_of(client, cast["nurse"], "/log/")


def test_an_erased_entry_keeps_its_proof(client, cast, dose, patient) -> None:
    entry = entry_of_event(dose.pk)
    erase_subject(patient.pk)
    html = html_of(client, cast["nurse"], page(entry))
    assert "the commitment stays" in html
    assert SECRET not in html
    assert "The proof leads from the commitment" in html


def test_an_event_leads_to_its_entry(client, cast, dose) -> None:
    response = sign_in(client, cast["nurse"]).get(f"/log/events/{dose.pk}/")
    assert response["Location"] == page(entry_of_event(dose.pk))


def test_downloads_want_a_second_factor_hold_and_are_recorded(
    client, fresh_client, cast, dose, two_witnesses, tmp_path
) -> None:
    cosign(LogCheckpoint.objects.get())
    entry = entry_of_event(dose.pk)
    for url in (page(entry) + "proof/", "/log/proofs/?q=ignored"):
        asked = sign_in(client, cast["nurse"]).get(url)
        assert asked["Location"].startswith("/account/step-up/")
        answer = fresh_client(cast["nurse"]).get(url)
        assert "attachment" in answer["Content-Disposition"]
        (tmp_path / "bundle.json").write_bytes(answer.content)
        assert main([str(tmp_path / "bundle.json")]) == 0
        client.logout()
    assert Event.objects.filter(code="proofs_exported", user=cast["nurse"]).count() == 2
    hidden = fresh_client(cast["administrator"]).get(page(entry) + "proof/").json()
    assert "record" not in hidden["entries"][0]


def test_htmx_gets_the_part_that_changes(client, cast, dose) -> None:
    answer = sign_in(client, cast["nurse"]).get("/log/", headers={"HX-Request": "true"}).content.decode()
    assert SECRET in answer
    assert "<html" not in answer


# --- Without signing in -----------------------------------------------------------------------------------------------


def test_strangers_can_rebuild_the_root_from_the_tiles(client, act, two_witnesses) -> None:
    act(300)
    assert client.get("/log/checkpoint").status_code == 404
    cosign(sequence())
    answer = client.get("/log/checkpoint")
    head = Checkpoint.parse(Note.parse(answer.content.decode()).text)
    whole, rest = client.get("/log/tile/0/000"), client.get("/log/tile/0/001.p/44")
    leaves = [
        raw[at : at + HASH_BYTES] for raw in (whole.content, rest.content) for at in range(0, len(raw), HASH_BYTES)
    ]
    assert (len(leaves), root_of(leaves)) == (300, head.root)
    assert leaves[0] == leaf_hash(bytes(LogEntry.objects.get(leaf_index=0).commitment))
    assert "immutable" in whole["Cache-Control"]
    assert "immutable" in rest["Cache-Control"]
    assert "max-age=2" in answer["Cache-Control"]
    assert len(client.get("/log/tile/1/000.p/1").content) == HASH_BYTES


def test_strangers_get_the_witnessed_head_while_a_newer_one_waits(client, act, two_witnesses) -> None:
    act()
    cosign(sequence())
    act()
    sequence()
    assert Checkpoint.parse(Note.parse(client.get("/log/checkpoint").content.decode()).text).size == 1


@pytest.mark.parametrize(
    "path",
    [
        "0/001", "0/000", "0/000.p/4", "0/000.p/0", "0/000.p/256", "0/000.p/03", "0/x000/000.p/3", "0/0", "0/000/",
        "00/000.p/3", "9/000", "99999999999999999999/000", "entries/000", "0/x001/x234/x067/x067/x067/x067/067",
        "0/000.p/999", "-1/000", "0/٠٠٠",
    ],
)  # fmt: skip
def test_other_paths_of_tiles_lead_nowhere(client, act, path) -> None:
    act(3)
    sequence()
    assert client.get("/log/tile/0/000.p/3").status_code == 200
    response = client.get(f"/log/tile/{path}")
    assert response.status_code == 404


def test_strangers_get_hashes_and_nothing_else(client, dose) -> None:
    for url in ("/log/", f"/log/entries/{LogEntry.objects.get().pk}/", "/log/proofs/"):
        assert client.get(url)["Location"].startswith("/account/login")
    assert json.loads(LogEntry.objects.get().record)["message"] == SECRET
    assert SECRET.encode() not in client.get("/log/tile/0/000.p/1").content


def test_what_belongs_to_no_ward_is_listed_for_those_who_run_the_house_alone(client, cast, dose) -> None:
    from compliance.services.events import record_event

    record_event(category=EventCategory.SECURITY, code="sign_in_failed", message="Somebody could not sign in.")
    append(kind="frames_sealed", record={"root": "00"})
    sequence()
    failed, sealed = LogEntry.objects.order_by("-pk")[:2][::-1]
    for role in ("nurse", "physician"):
        html = html_of(client, cast[role], "/log/")
        assert "sign_in_failed" not in html
        assert "Of no ward" not in html
        assert client.get(page(failed)).status_code == client.get(page(sealed)).status_code == 404
        assert SECRET not in html_of(client, cast[role], "/log/?category=house")
    html = html_of(client, cast["administrator"], "/log/?category=house")
    assert "sign_in_failed" in html
    assert "Frames sealed" in html
    assert SECRET not in html
    assert "Of no ward" in html
    assert "Somebody could not sign in." in html_of(client, cast["administrator"], page(failed))
