"""From an act to a signed head."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from django.db import transaction

from compliance.log.merkle import leaf_hash, verify_consistency, verify_inclusion
from compliance.log.notes import Checkpoint, Note
from compliance.models import LogCheckpoint, LogEntry
from compliance.selectors.log import consistency_between, entry_of_event, proof_for, records_since
from compliance.services.log import append, sequence
from compliance.services.log_erasure import erase_subject
from compliance.services.log_keys import log_signer

pytestmark = pytest.mark.django_db


def check(entry) -> None:
    proof = proof_for(entry)
    assert proof is not None
    verify_inclusion(
        leaf=leaf_hash(bytes(entry.commitment)),
        index=entry.leaf_index,
        size=proof.checkpoint.size,
        proof=proof.path,
        root=bytes(proof.checkpoint.root),
    )


def test_every_event_is_committed_to_in_its_own_transaction(act) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        act()
        raise ZeroDivisionError
    assert not LogEntry.objects.exists()
    (event,) = act()
    entry = entry_of_event(event.pk)
    record = json.loads(entry.record)
    assert (record["code"], record["patient"], record["detail"]) == ("dose_given", str(event.patient_id), {"dose": 0})
    assert bytes(entry.commitment) == sha256(bytes(entry.salt) + entry.record.encode()).digest()


def test_the_same_record_twice_has_two_commitments() -> None:
    one, two = (append(kind="test", record={"dose": 1}, at=None) for _ in range(2))
    assert bytes(one.commitment) != bytes(two.commitment)


def test_a_flood_of_one_fact_is_one_entry(act) -> None:
    act(5, fold=True)
    assert LogEntry.objects.count() == 1


def test_sequenced_entries_have_proofs_under_a_signed_head(act) -> None:
    act(3)
    head = sequence()
    act(4)
    newer = sequence()
    assert (head.size, newer.size) == (3, 7)
    note = Note.parse(newer.note)
    note.signed_by(log_signer().verifier)
    assert Checkpoint.parse(note.text).root == bytes(newer.root)
    for entry in LogEntry.objects.all():
        check(entry)
    verify_consistency(
        old=3, new=7, old_root=bytes(head.root), new_root=bytes(newer.root), proof=consistency_between(3, 7)
    )


def test_a_round_takes_no_more_than_its_limit_and_the_next_goes_on(act) -> None:
    act(10)
    assert [sequence(limit=4).size for _ in range(3)] == [4, 8, 10]
    assert sequence() is None
    assert LogCheckpoint.objects.count() == 3
    assert [entry.leaf_index for entry in records_since(6, 3)] == [6, 7, 8]


def test_an_entry_that_waits_has_no_proof_yet(act) -> None:
    (event,) = act()
    assert proof_for(entry_of_event(event.pk)) is None


def test_erasing_a_person_leaves_every_proof_standing(act, patient, foreign_patient) -> None:
    act(2)
    act(2, patient=foreign_patient)
    sequence()
    assert erase_subject(patient.pk) == 2
    sequence()
    gone, kept = LogEntry.objects.filter(record=None), LogEntry.objects.exclude(record=None)
    assert (gone.count(), kept.count()) == (2, 3), "what is kept, and the word of what was erased"
    assert not any(entry.salt for entry in gone)
    for entry in LogEntry.objects.all():
        check(entry)


def test_a_models_decision_is_committed_to(patient) -> None:
    from compliance.services.demo_regimens import ensure_demo_regimens

    ensure_demo_regimens([patient])
    entry = LogEntry.objects.get(kind="risk_estimated")
    record = json.loads(entry.record)
    assert record["model"]
    assert 0 < record["probability"] < 1
