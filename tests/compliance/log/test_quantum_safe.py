"""ML-DSA-44 cosignatures, as C2SP tlog-cosignature writes them."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from compliance.log.notes import QUANTUM_SAFE_KEY, Note, NoteRefused, Signer, Verifier, independent

VECTOR = json.loads((Path(__file__).parent / "vectors" / "cosigned_checkpoint.json").read_text())
CLASSIC, SAFE = (Verifier.decode(word) for word in VECTOR["witness"])
SIGNER = Signer(SAFE.name, QUANTUM_SAFE_KEY, MLDSA44PrivateKey.from_seed_bytes(bytes.fromhex(VECTOR["seed"])))


def test_the_committed_note_holds_under_each_of_its_keys() -> None:
    note = Note.parse(VECTOR["note"])
    assert note.signed_by(Verifier.decode(VECTOR["log"])) is None
    assert [note.signed_by(key) for key in (CLASSIC, SAFE)] == [VECTOR["time_s"]] * 2
    assert SIGNER.verifier == SAFE


def test_the_signed_message_is_the_one_of_the_specification() -> None:
    """Written out here by hand: label, name, time, origin, start, end and root."""
    signature = next(raw for _, key_id, raw in Note.parse(VECTOR["note"]).signatures if key_id == SAFE.key_id)
    message = (
        b"subtree/v1\n\x00" + b"\x0fwitness.example" + (1_800_000_000).to_bytes(8, "big")
        + b"\x10log.example/ward" + bytes(8) + (7).to_bytes(8, "big") + bytes(range(32))
    )  # fmt: skip
    assert (len(signature), signature[:8]) == (8 + 2420, (1_800_000_000).to_bytes(8, "big"))
    MLDSA44PublicKey.from_public_bytes(SAFE.public).verify(signature[8:], message)


def test_any_flipped_bit_of_signature_time_name_size_or_root_is_refused() -> None:
    text, _, lines = VECTOR["note"].partition("\n\n")
    raw = bytearray(base64.b64decode(lines.splitlines()[2].split()[2]))
    for place in (4, 11, 12, 700, 2000, len(raw) - 1):
        changed = bytes(raw[:place]) + bytes([raw[place] ^ 1]) + bytes(raw[place + 1 :])
        line = f"— {SAFE.name} {base64.b64encode(changed).decode()}\n"
        with pytest.raises(NoteRefused):
            Note.parse(f"{text}\n\n{line}").signed_by(SAFE)
    for old, new in (("\n7\n", "\n8\n"), ("log.example/ward\n", "log.example/wars\n"), ("AAEC", "AAED")):
        with pytest.raises(NoteRefused):
            Note.parse((text + "\n\n").replace(old, new, 1) + lines).signed_by(SAFE)


def test_a_key_signs_for_its_own_name_alone() -> None:
    text = Note.parse(VECTOR["note"]).text
    line = Signer("other.example", QUANTUM_SAFE_KEY, SIGNER.key).line(text, 1).replace("other.example", SAFE.name)
    with pytest.raises(NoteRefused):
        Note.parse(f"{text}\n{line}").signed_by(SAFE)


def test_two_keys_under_one_name_and_one_key_under_two_names_are_one_witness() -> None:
    twin = Verifier("twin.example", SAFE.kind, SAFE.public)
    assert independent([CLASSIC, SAFE, twin]) == 1
    assert independent([CLASSIC, twin]) == 2
    assert independent([]) == 0
