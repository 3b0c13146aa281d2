"""Somebody with the database's own prompt: whatever they change, somebody is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection

from compliance.errors import ErasureWaits
from compliance.log.merkle import leaf_hash, root_at
from compliance.log.notes import Checkpoint
from compliance.log.tiles import TiledTree, appended
from compliance.models import Event, LogCheckpoint, LogEntry, LogTile, Notice, Witness
from compliance.selectors.log import StoredTiles, newest_checkpoint
from compliance.services.log import append, sequence
from compliance.services.log_erasure import erase_subject
from compliance.services.log_keys import log_signer
from compliance.services.log_memory import HeadMemory
from compliance.services.log_turns import Turns
from compliance.services.log_watch import LogWatch
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.django_db
ENTRIES = 300  # more than a tile
MIDDLE = 137


def sql(statement: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


@pytest.fixture
def kept(act, two_witnesses) -> Turns:
    """A log of some length that two witnesses have signed, and the process that keeps it."""
    act(ENTRIES)
    turns = Turns()
    turns.turn(PATIENCE_S)
    assert newest_checkpoint(witnessed=True).size == ENTRIES
    assert not Notice.objects.exists()
    return turns


def told(turns: Turns | None = None) -> set[str]:
    """Let a process that has just started look the log over, and return what it tells."""
    turns = turns or Turns()
    for _ in range(3):
        turns.turn(PATIENCE_S)
    return {notice.subject for notice in Notice.objects.filter(code="log_tampered")}


def test_a_log_that_nobody_touched_is_quiet_and_goes_on(kept, act) -> None:
    act(20)
    assert told() == set()
    assert told(kept) == set()
    assert newest_checkpoint(witnessed=True).size == ENTRIES + 20


@pytest.mark.parametrize(
    ("what", "statement"),
    [
        ("entry_changed", "UPDATE compliance_logentry SET record = replace(record, 'D', 'd') WHERE leaf_index = 137"),
        ("entry_changed", "UPDATE compliance_logentry SET salt = commitment WHERE leaf_index = 137"),
        ("entry_changed", "UPDATE compliance_logentry SET salt = NULL WHERE leaf_index = 137"),
        ("tree_changed", "UPDATE compliance_logentry SET commitment = salt WHERE leaf_index = 137"),
        ("entry_missing", "DELETE FROM compliance_logentry WHERE leaf_index = 137"),
        ("entry_missing", "DELETE FROM compliance_logentry WHERE leaf_index >= 290"),
        ("entry_missing", "UPDATE compliance_logentry SET leaf_index = 5000 WHERE leaf_index = 137"),
        ("entry_beyond_head", "UPDATE compliance_logentry SET leaf_index = 5000 WHERE leaf_index = 299"),
        ("event_changed", "UPDATE compliance_event SET message = 'Dose 2.' WHERE message = 'Dose 1.'"),
        ("event_changed", "UPDATE compliance_event SET at = '2020-01-01 00:00:00+00' WHERE message = 'Dose 1.'"),
        ("event_missing", "DELETE FROM compliance_event WHERE message = 'Dose 1.'"),
        ("checkpoint_forged", "UPDATE compliance_logcheckpoint SET note = replace(note, '300', '299')"),
        ("checkpoint_forged", "UPDATE compliance_logcheckpoint SET size = 299"),
    ],
)  # fmt: skip
def test_a_change_by_sql_is_told(kept, what, statement) -> None:
    sql(statement)
    assert what in told()


def test_an_event_slipped_in_beside_the_log_is_told(kept) -> None:
    Event.objects.bulk_create([Event(category="clinical", code="dose_given", message="Never happened.")])
    assert "event_uncommitted" in told()


def test_two_entries_that_changed_places_are_told(kept) -> None:
    for old, new in ((3, 9_999), (4, 3), (9_999, 4)):
        sql("UPDATE compliance_logentry SET leaf_index = %s WHERE leaf_index = %s", new, old)
    assert "tree_changed" in told()


def test_a_truncated_log_is_told_by_witnesses_although_nothing_here_remembers(kept) -> None:
    """Entries, events, tiles and heads are cut back to what they were some time ago, and the log goes on."""
    LogEntry.objects.filter(leaf_index__gte=200).delete()
    Event.objects.exclude(pk__in=LogEntry.objects.values("event_id")).delete()
    _rebuild(from_scratch=True)
    Witness.objects.all().delete()
    assert "log_shrank" in told()
    assert "log_shrank" in told(kept)


def test_a_rewritten_tree_under_a_forged_head_is_told_by_witnesses(kept, act) -> None:
    """An entry is rewritten with everything over it, signed with the log's stolen key, and more is logged."""
    entry = LogEntry.objects.get(leaf_index=MIDDLE)
    other = LogEntry.objects.get(leaf_index=MIDDLE + 1)
    LogEntry.objects.filter(pk=entry.pk).update(
        record=other.record, salt=other.salt, commitment=other.commitment, event_id=None
    )
    Event.objects.filter(pk=entry.event_id).delete()
    _rebuild(from_scratch=True)
    act(5)
    Witness.objects.all().delete()
    found = told()
    assert "log_forked" in found
    assert newest_checkpoint(witnessed=True) is None


def test_a_forged_head_of_the_same_size_is_told_by_the_process_that_saw_the_true_one(kept) -> None:
    LogEntry.objects.filter(leaf_index=MIDDLE).update(record=None, salt=None, commitment=bytes(32), event_id=None)
    _rebuild(from_scratch=True)
    assert "log_forked" in told(kept)


def _rebuild(*, from_scratch: bool) -> None:
    """Do what a thief of the log's key would do: tiles and a signed head over what now stands in the entries."""
    LogTile.objects.all().delete()
    LogCheckpoint.objects.all().delete()
    leaves = [leaf_hash(bytes(e.commitment)) for e in LogEntry.objects.filter(leaf_index__gte=0).order_by("leaf_index")]
    for (level, number), hashes in appended(StoredTiles(), 0, leaves).items():
        LogTile.objects.create(level=level, number=number, hashes=hashes)
    signer = log_signer()
    head = Checkpoint(signer.name, len(leaves), root_at(TiledTree(StoredTiles()), len(leaves)))
    LogCheckpoint.objects.create(size=head.size, root=head.root, note=f"{head.text()}\n{signer.line(head.text())}")


def test_erasing_a_person_is_no_tampering(kept, patient, act) -> None:
    assert erase_subject(patient.pk) == ENTRIES
    act(1)
    assert told() == set()


def test_emptying_an_entry_behind_the_houses_back_is_told(kept, patient, act) -> None:
    erase_subject(patient.pk, limit=1)
    assert told() == set()
    sql("UPDATE compliance_logentry SET record = NULL, salt = NULL, patient_id = NULL WHERE leaf_index = 2")
    assert told() == {"entry_blanked"}


def test_a_word_of_an_erasure_that_the_house_did_not_seal_names_nothing(kept, patient) -> None:
    sql("UPDATE compliance_logentry SET record = NULL, salt = NULL WHERE leaf_index = 2")
    append(kind="erasure", record={"erasure": "", "entries": 1, "indexes": [[2, 2]], "seal": "0" * 64})
    assert told() == {"entry_blanked"}


def test_what_an_old_backup_brings_back_is_told(kept, patient) -> None:
    before = LogEntry.objects.get(leaf_index=1)
    erase_subject(patient.pk)
    before.save()
    assert told() == {"entry_returned"}


def test_an_entry_without_a_place_waits_to_be_erased(kept, act, patient) -> None:
    act(1)
    assert erase_subject(patient.pk) == ENTRIES
    with pytest.raises(ErasureWaits):
        erase_subject(patient.pk)
    sequence()
    assert erase_subject(patient.pk) == 1
    assert erase_subject(patient.pk) == 0


def test_a_large_log_is_looked_over_in_steps(kept, act) -> None:
    act(40)
    sequence()
    watch = LogWatch()
    sql("UPDATE compliance_logentry SET commitment = salt WHERE leaf_index = 137")
    assert [bool(watch.check_some(100)) for _ in range(4)] == [False, True, False, True]  # the last compares heads


def test_one_notice_for_one_kind_of_finding_until_somebody_sees_to_it(kept) -> None:
    sql("UPDATE compliance_logentry SET commitment = salt WHERE leaf_index > 100")
    told()
    told()
    assert Notice.objects.filter(subject="tree_changed").count() == 1
    assert Event.objects.filter(code="log_tampered").count() == Notice.objects.count()


# --- Restored, and remembered -----------------------------------------------------------------------------------------


@pytest.fixture
def memory(kept, tmp_path) -> HeadMemory:
    """What the process keeps outside the database, after it saw the log."""
    found = HeadMemory(tmp_path / "log.seen")
    Turns(found).turn(PATIENCE_S)
    return found


def told_with(memory: HeadMemory) -> set[str]:
    """Let a process that has just started and has this memory, but no witness, look the log over."""
    return told(Turns(HeadMemory(memory._place)))


def test_an_older_backup_that_is_restored_is_told_by_the_memory_although_no_witness_answers(
    memory, act, settings
) -> None:
    before = LogCheckpoint.objects.values().get()
    act(20)
    Turns(memory).turn()
    settings.LOG_WITNESSES, settings.LOG_WITNESS_FOLDER = [], Path("nowhere")
    LogEntry.objects.filter(leaf_index__gte=ENTRIES).delete()
    Event.objects.exclude(pk__in=LogEntry.objects.values("event_id")).delete()
    LogCheckpoint.objects.filter(size__gt=ENTRIES).delete()
    assert LogCheckpoint.objects.values().get() == before
    assert "log_shrank" in told_with(memory)


def test_an_older_backup_that_grew_again_is_told_by_the_memory(memory, act, settings) -> None:
    act(20)
    Turns(memory).turn()
    settings.LOG_WITNESSES, settings.LOG_WITNESS_FOLDER = [], Path("nowhere")
    LogEntry.objects.filter(leaf_index__gte=ENTRIES).delete()
    Event.objects.exclude(pk__in=LogEntry.objects.values("event_id")).delete()
    _rebuild(from_scratch=True)
    act(40, code="dose_ordered")
    assert "log_forked" in told_with(memory)


@pytest.mark.parametrize("change", [lambda text: text.replace("300", "200"), lambda text: "", lambda text: text[:-9]])
def test_a_memory_that_was_changed_is_told(memory, change) -> None:
    memory._place.write_text(change(memory._place.read_text()))
    assert "memory_changed" in told_with(memory)


def test_a_memory_removed_while_the_process_runs_is_told(memory) -> None:
    memory._place.unlink()
    assert [finding.what for finding in memory.check(newest_checkpoint())] == ["memory_changed"]


def test_a_memory_goes_on_with_the_log_and_says_nothing(memory, act) -> None:
    for _ in range(3):
        act(2)
        assert told_with(memory) == set()


def test_an_emptied_database_is_told_by_the_memory(memory) -> None:
    for model in (LogEntry, LogTile, LogCheckpoint, Event):
        model.objects.all().delete()
    assert "log_shrank" in told_with(memory)


def test_what_the_house_believes_of_a_witness_changes_nothing(kept, act) -> None:
    """The table of witnesses is a note of the house, not their memory: lies in it are put right or told."""
    sql("UPDATE compliance_witness SET signed_size = 5000, trouble = ''")
    assert told() == set()
    sql("UPDATE compliance_witness SET signed_size = 0")
    act(3)
    assert told() == set()
    assert newest_checkpoint(witnessed=True).size == ENTRIES + 3


def test_an_entry_slipped_in_by_sql_is_told(kept) -> None:
    """A copy of an entry at a place of its own, as if it had been there."""
    sql("UPDATE compliance_logentry SET leaf_index = leaf_index + 1000000 WHERE leaf_index > 200")
    sql(
        "INSERT INTO compliance_logentry (kind, at, salt, record, commitment, leaf_index) "
        "SELECT kind, at, salt, record, commitment, 201 FROM compliance_logentry WHERE leaf_index = 7"
    )
    sql("UPDATE compliance_logentry SET leaf_index = leaf_index - 999999 WHERE leaf_index > 1000000")
    assert "tree_changed" in told()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE compliance_logcheckpoint SET witnesses = 9",
        "UPDATE compliance_logcheckpoint SET size = 400",
        "UPDATE compliance_logcheckpoint SET note = 'none'",
        "DELETE FROM compliance_logcheckpoint",
    ],
)
def test_changed_heads_are_told_and_stop_no_turn(kept, act, statement) -> None:
    sql(statement)
    act(2)
    assert told() & {"checkpoint_forged", "log_stuck", "log_shrank", "log_forked", "entry_beyond_head", "tree_changed"}


def test_every_notice_of_tampering_is_critical(kept) -> None:
    sql("UPDATE compliance_logentry SET commitment = salt WHERE leaf_index = 137")
    told()
    assert set(Notice.objects.values_list("priority", flat=True)) == {"critical"}
