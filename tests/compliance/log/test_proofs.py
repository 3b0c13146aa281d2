"""Bundles that leave the house hold in an outsider's hands."""

from __future__ import annotations

import json
import stat
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from compliance.errors import KeptCheckpointRefused, NothingToProve, TooMuchToProve
from compliance.models import Event, EventCategory, LogCheckpoint, LogEntry
from compliance.selectors.log_reading import reading_right
from compliance.services import proofs
from compliance.services.log import sequence
from compliance.services.log_erasure import erase_subject
from compliance.services.log_witnesses import cosign
from compliance.services.proofs import About, export_proofs
from compliance.verify.__main__ import main

pytestmark = pytest.mark.django_db


def everything(_entry) -> bool:
    return True


@pytest.fixture
def kept(act, two_witnesses, patient, foreign_patient):
    """Acts for two patients in three witnessed heads."""
    for _ in range(3):
        act(2)
        act(1, patient=foreign_patient)
        cosign(sequence())


@pytest.fixture
def export(tmp_path, capsys):
    """Return `export(...)`: run the command and return (bundle, keys file, bundle file)."""

    def run(*arguments: str):
        out = tmp_path / f"proofs-{len(list(tmp_path.iterdir()))}.json"
        call_command("export_proofs", *arguments, "--out", str(out))
        keys = tmp_path / f"{out.stem}.keys"
        keys.write_text(capsys.readouterr().out.split("the file:\n")[1])
        return json.loads(out.read_text()), keys, out

    return run


def verified(bundle_file, keys, *more: str) -> int:
    return main([str(bundle_file), "--keys", str(keys), *more])


def test_one_event_leaves_with_its_proof_and_comes_from_an_earlier_head(kept, export, capsys) -> None:
    event = Event.objects.filter(code="dose_given").order_by("pk").first()
    bundle, keys, out = export("--event", str(event.pk))
    assert (bundle["count"], bundle["about"]) == (1, {"event": event.pk})
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert verified(out, keys) == 0
    assert "2 independent witnesses stand behind" in capsys.readouterr().out
    assert "earlier" in bundle, "the head under which it came is the beginning of the newest"


def test_a_patients_proofs_are_the_patients_alone(kept, export, patient) -> None:
    bundle, keys, out = export("--patient", str(patient.pk))
    assert bundle["count"] == 6
    assert {json.loads(entry["record"])["patient"] for entry in bundle["entries"]} == {str(patient.pk)}
    assert verified(out, keys) == 0


def test_a_time_is_a_whole_stretch_of_the_log(kept, export, patient) -> None:
    erase_subject(patient.pk)
    bundle, keys, out = export("--from", (timezone.now() - timedelta(hours=1)).isoformat())
    places = [entry["index"] for entry in bundle["entries"]]
    assert places == list(range(bundle["about"]["first"], bundle["about"]["last"] + 1))
    assert sum("record" not in entry for entry in bundle["entries"]) == 6
    assert verified(out, keys) == 0


def test_a_reader_who_kept_a_checkpoint_gets_the_proof_from_there(kept, export, tmp_path, patient) -> None:
    (tmp_path / "old").write_text(LogCheckpoint.objects.order_by("size").first().note)
    _, keys, out = export("--patient", str(patient.pk), "--old", str(tmp_path / "old"))
    assert verified(out, keys, "--old", str(tmp_path / "old")) == 0


def test_each_export_is_an_event_in_the_log_itself(kept, export, patient) -> None:
    bundle, *_ = export("--patient", str(patient.pk))
    event = Event.objects.get(code="proofs_exported")
    assert event.detail["entries"] == bundle["count"] == 6
    assert event.patient == patient
    assert LogEntry.objects.filter(event_id=event.pk).exists()


def test_who_may_not_read_medication_gets_the_proof_without_the_record(kept, act, cast, patient) -> None:
    act(category=EventCategory.SECURITY, code="frame_forged")
    sequence()
    mine = LogEntry.objects.filter(patient_id=patient.pk)
    for role, readable in (("nurse", 7), ("administrator", 1)):
        who = cast[role]
        made = export_proofs(mine, about=About(patient_id=patient.pk), may_read=reading_right(who), by=who)
        assert sum("record" in entry for entry in made["entries"]) == readable
        assert all(("salt" in entry) == ("record" in entry) for entry in made["entries"])


def test_what_waits_cannot_be_proved_yet_and_too_much_is_named(act, monkeypatch, patient) -> None:
    act(3)
    everybody = LogEntry.objects.all()
    with pytest.raises(NothingToProve):
        export_proofs(everybody, about=About(), may_read=everything, by=None)
    sequence()
    monkeypatch.setattr(proofs, "MOST_ENTRIES", 2)
    with pytest.raises(TooMuchToProve):
        export_proofs(everybody, about=About(), may_read=everything, by=None)


@pytest.mark.parametrize(
    "note", ["nothing", "log.example\n99\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n— a AAAAAAA=\n"]
)
def test_a_kept_checkpoint_that_cannot_be_the_beginning_is_named(act, note) -> None:
    act()
    sequence()
    with pytest.raises(KeptCheckpointRefused):
        export_proofs(LogEntry.objects.all(), about=About(), may_read=everything, by=None, kept=note)


def test_the_command_names_what_is_wrong_and_never_overwrites(kept, export, tmp_path) -> None:
    (tmp_path / "there").write_text("mine")
    for arguments in (["--event", "999999"], ["--from", "2099-01-01T00:00"], ["--old", str(tmp_path / "absent")]):
        with pytest.raises(CommandError):
            call_command("export_proofs", *arguments, "--out", str(tmp_path / "new"))
    with pytest.raises(CommandError):
        call_command("export_proofs", "--out", str(tmp_path / "there"))
    assert (tmp_path / "there").read_text() == "mine"
