"""How the house asks its witnesses: side by side, beside the sequencer, and each counted once."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

import pytest

from compliance.log.notes import Note
from compliance.models import LogTile, Notice, Witness
from compliance.selectors.log import newest_checkpoint
from compliance.services import log_witnesses, witness_calls
from compliance.services.log import sequence
from compliance.services.log_keys import log_signer, witnesses
from compliance.services.log_turns import Turns
from compliance.services.log_witnesses import Cosigning, cosign
from compliance.witness.__main__ import Handler
from compliance.witness.state import WitnessState
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.django_db


@contextmanager
def witness_beside(folder, name: str, **options):
    """A witness whose address and keys lie where the house looks for them."""
    state = WitnessState(folder / name, f"test.example/{name}", [log_signer().verifier], **options)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"state": state}))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    (folder / name / "address").write_text(f"http://127.0.0.1:{server.server_port}")
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def silent(tmp_path, two_witnesses):
    """A third witness that takes the call and never answers."""
    WitnessState(tmp_path / "silent", "test.example/silent", [log_signer().verifier])
    with socket.create_server(("127.0.0.1", 0)) as server:
        (tmp_path / "silent" / "address").write_text(f"http://127.0.0.1:{server.getsockname()[1]}")
        yield server


def test_a_witness_that_hangs_delays_neither_the_others_nor_the_next_head(act, silent, monkeypatch) -> None:
    for limit in ("TIMEOUT_S", "DEADLINE_S"):  # it is not given up while the others are waited for
        monkeypatch.setattr(witness_calls, limit, PATIENCE_S)
    turns = Turns()
    act(3)
    turns.turn()
    act(2)
    turns.turn()
    assert newest_checkpoint().size == 5  # sequenced while nobody had answered yet
    while (newest_checkpoint(witnessed=True) or newest_checkpoint()).size < 5 or newest_checkpoint().witnesses < 2:
        turns._cosigning.wait(0.2)
        turns.turn()
    standing = turns._cosigning._standings["test.example/silent"]
    assert standing.call is not None  # still out, and in nobody's way


def test_a_call_over_its_time_is_given_up_and_the_witness_is_asked_later(act, silent, monkeypatch) -> None:
    monkeypatch.setattr(witness_calls, "DEADLINE_S", 0.0)
    act()
    head, cosigning = sequence(), Cosigning()
    cosigning.step(head)
    cosigning.step(head)
    standing = cosigning._standings["test.example/silent"]
    assert (standing.call, standing.failures) == (None, 1)
    assert "in time" in Witness.objects.get(name="test.example/silent").trouble
    cosigning.step(head)
    assert standing.call is None  # not due before its rest is over


def test_a_witness_that_signs_a_head_again_still_counts_once(act, tmp_path, settings, monkeypatch) -> None:
    settings.LOG_WITNESS_FOLDER, settings.LOG_WITNESSES = tmp_path, []
    clock = iter(range(1_800_000_000, 1_800_000_100))
    monkeypatch.setattr("compliance.witness.__main__.time.time", lambda: next(clock))
    with witness_beside(tmp_path, "one"):
        act()
        head = sequence()
        for _ in range(3):
            cosign(head)
    assert head.witnesses == 1
    assert len(Note.parse(head.note).signatures) == 2  # the log's and one cosignature, however often it was asked
    assert newest_checkpoint(witnessed=True) is None


def test_a_quantum_safe_cosignature_is_kept_beside_the_other_and_is_the_same_witness(act, tmp_path, settings) -> None:
    settings.LOG_WITNESS_FOLDER, settings.LOG_WITNESSES = tmp_path, []
    with witness_beside(tmp_path, "one", quantum_safe=True), witness_beside(tmp_path, "two"):
        act()
        head = sequence()
        cosign(head)
    note = Note.parse(head.note)
    assert all(note.signed_by(key) for address in witnesses() for key in address.verifiers)
    assert (len(note.signatures), head.witnesses) == (4, 2)


def test_a_size_believed_wrongly_is_corrected_by_the_witness(act, two_witnesses) -> None:
    act(4)
    cosign(sequence())
    act(3)
    for wrong in (0, 2, 99, -5):
        Witness.objects.update(signed_size=wrong)
        head = sequence() or newest_checkpoint()
        assert cosign(head) == []
    assert newest_checkpoint().witnesses == 2


def test_a_tree_without_a_proof_stops_no_turn_and_is_told(act, two_witnesses) -> None:
    act(300)
    turns = Turns()
    turns.turn(PATIENCE_S)
    act(1)
    sequence()
    LogTile.objects.filter(level=0, number=1).delete()
    Turns().turn(PATIENCE_S)
    assert Notice.objects.filter(subject="log_stuck", priority="critical").exists()


def test_what_a_witness_says_wrongly_is_its_trouble(act, tmp_path, settings, monkeypatch) -> None:
    settings.LOG_WITNESS_FOLDER, settings.LOG_WITNESSES = tmp_path, []
    act()
    head = sequence()
    with witness_beside(tmp_path, "one") as state:
        for answer in ("nothing\n", "— test.example/one AAAA\n", "\x00", state.signer.line("other\n1\nAA==\n", 1)):
            monkeypatch.setattr(state, "add_checkpoint", lambda *_, said=answer: said)
            assert cosign(head) == []
            assert Witness.objects.get().trouble
    assert (head.witnesses, head.note.count("—")) == (0, 1)
    assert log_witnesses.witnesses_under(Note.parse(head.note)) == 0
