"""Checkpoints, signatures and cosignatures, in the words of C2SP."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from compliance.log.notes import LOG_KEY, WITNESS_KEY, Checkpoint, Note, NoteRefused, Signer, Verifier

LOG = Signer("log.example/ward", LOG_KEY, Ed25519PrivateKey.from_private_bytes(bytes(32)))
WITNESS = Signer("witness.example", WITNESS_KEY, Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32))
CHECKPOINT = Checkpoint("log.example/ward", 7, bytes(range(32)))


def signed(checkpoint=CHECKPOINT) -> str:
    text = checkpoint.text()
    return f"{text}\n{LOG.line(text)}{WITNESS.line(text, 1_800_000_000)}"


def test_a_checkpoint_reads_as_the_specification_writes_it() -> None:
    assert CHECKPOINT.text() == "log.example/ward\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    assert Checkpoint.parse(CHECKPOINT.text()) == CHECKPOINT


def test_log_and_witness_signatures_hold_and_the_witness_says_when() -> None:
    note = Note.parse(signed())
    assert Checkpoint.parse(note.text) == CHECKPOINT
    assert note.signed_by(LOG.verifier) is None
    assert note.signed_by(WITNESS.verifier) == 1_800_000_000


def test_keys_are_words_that_carry_their_own_check() -> None:
    word = WITNESS.verifier.encoded()
    assert Verifier.decode(word) == WITNESS.verifier
    with pytest.raises(NoteRefused):
        Verifier.decode(word.replace("witness", "imposter"))


@given(st.data())
def test_any_change_of_a_signed_note_is_refused(data) -> None:
    raw = signed()
    place = data.draw(st.integers(0, len(raw) - 1))
    char = data.draw(st.characters(codec="utf-8").filter(lambda c: c != raw[place]))
    try:
        note = Note.parse(raw[:place] + char + raw[place + 1 :])
        note.signed_by(LOG.verifier)
        note.signed_by(WITNESS.verifier)
    except NoteRefused:
        return
    pytest.fail("a changed note passed")


@given(st.text(max_size=200))
def test_arbitrary_text_is_read_or_refused(text) -> None:
    for read in (Note.parse, Checkpoint.parse, Verifier.decode):
        try:
            read(text)
        except NoteRefused:
            continue


def test_a_size_of_thousands_of_digits_is_refused() -> None:
    with pytest.raises(NoteRefused):
        Checkpoint.parse(CHECKPOINT.text().replace("7", "7" * 5000))


def test_base64_has_one_spelling() -> None:
    line = LOG.line(CHECKPOINT.text())
    assert line.endswith("=\n")
    spare = {"A": "B", "Q": "R", "g": "h", "w": "x"}.get(line[-3], "")
    other = line[:-3] + (spare or chr(ord(line[-3]) + 1)) + "=\n"
    with pytest.raises(NoteRefused, match="spare bits"):
        Note.parse(f"{CHECKPOINT.text()}\n{other}")
