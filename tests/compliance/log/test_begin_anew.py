"""Going on with the log under a new name, on purpose."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from compliance.log.notes import Note
from compliance.models import Event, LogCheckpoint, LogEntry, Notice
from compliance.services.log_keys import log_signer
from compliance.services.log_memory import HeadMemory
from compliance.services.log_turns import Turns

pytestmark = pytest.mark.django_db


def _begin(keep) -> str:
    said = io.StringIO()
    call_command("begin_log_anew", "--keep", str(keep), stdout=said)
    return said.getvalue()


@pytest.fixture
def logged(act, settings, tmp_path):
    """A log with two heads, whose keeper remembers the newest."""
    settings.HOME, settings.LOG_WITNESS_FOLDER, settings.LOG_WITNESSES = tmp_path, tmp_path / "witnesses", []
    for _ in range(2):
        act(2)
        Turns(HeadMemory(tmp_path / "run" / "log.seen")).turn()
    return [head.note for head in LogCheckpoint.objects.order_by("size")]


def test_under_a_new_name_nothing_is_told_as_forged_and_old_heads_are_kept(logged, settings, tmp_path) -> None:
    settings.LOG_ORIGIN = "medtwin.example/log-2"
    said = _begin(tmp_path / "heads.json")
    Turns(HeadMemory(tmp_path / "run" / "log.seen")).turn()
    assert not Notice.objects.filter(code="log_tampered").exists()
    assert {Note.parse(one.note).text.split("\n")[0] for one in LogCheckpoint.objects.all()} == {settings.LOG_ORIGIN}
    head = LogCheckpoint.objects.order_by("size").last()
    Note.parse(head.note).signed_by(log_signer().verifier)  # raises NoteRefused when it does not hold
    assert head.size == LogEntry.objects.count()  # what was in the log is in it, at its place
    assert json.loads((tmp_path / "heads.json").read_text()) == logged
    assert log_signer().verifier.encoded() in said
    assert len(list((tmp_path / "run").glob("log.seen.2*"))) == 1


def test_whoever_does_it_leaves_an_entry_and_a_notice(logged, settings, tmp_path) -> None:
    settings.LOG_ORIGIN = "medtwin.example/log-2"
    _begin(tmp_path / "heads.json")
    assert Event.objects.get(code="log_begun_anew", detail__heads=2).pk
    assert Notice.objects.get(code="log_begun_anew").priority == "high"


def test_without_a_new_name_nothing_is_taken_away(logged, tmp_path) -> None:
    with pytest.raises(CommandError, match="LOG_ORIGIN"):
        _begin(tmp_path / "heads.json")
    assert LogCheckpoint.objects.count() == 2
    assert (tmp_path / "run" / "log.seen").exists()


def test_a_file_that_is_there_is_not_written_over(logged, settings, tmp_path) -> None:
    settings.LOG_ORIGIN = "medtwin.example/log-2"
    (tmp_path / "heads.json").write_text("kept")
    with pytest.raises(CommandError, match="already"):
        _begin(tmp_path / "heads.json")
    assert LogCheckpoint.objects.count() == 2
    assert (tmp_path / "heads.json").read_text() == "kept"
