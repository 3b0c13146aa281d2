"""A witness signs what goes on from what it signed before, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from compliance.log.merkle import consistency_proof, leaf_hash, root_at
from compliance.log.notes import LOG_KEY, Checkpoint, Note, Signer, Verifier
from compliance.witness.state import Refused, SizeDiffers, WitnessState
from tests.compliance.log.test_merkle import Kept

LOG = Signer("log.example", LOG_KEY, Ed25519PrivateKey.from_private_bytes(bytes(32)))
OTHER = Signer("log.example", LOG_KEY, Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32))
ROOT = Path(__file__).resolve().parents[3]


def tree(count: int, salt: str = "") -> Kept:
    return Kept([leaf_hash(f"{salt}{n}".encode()) for n in range(count)])


def request(old: int, kept: Kept, size: int, *, signer: Signer = LOG, proof: list[bytes] | None = None) -> str:
    text = Checkpoint("log.example", size, root_at(kept, size)).text()
    path = consistency_proof(kept, old, size) if proof is None and old <= size else proof or []
    lines = "".join(b64encode(item).decode() + "\n" for item in path)
    return f"old {old}\n{lines}\n{text}\n{signer.line(text)}"


@pytest.fixture
def witness(tmp_path) -> WitnessState:
    return WitnessState(tmp_path / "w", "witness.example", [LOG.verifier])


def test_a_growing_log_is_signed_again_and_again_also_after_a_restart(witness, tmp_path) -> None:
    kept, at = tree(40), 1_800_000_000
    for old, size in ((0, 3), (3, 3), (3, 17)):
        line = witness.add_checkpoint(request(old, kept, size), at)
        text = Checkpoint("log.example", size, root_at(kept, size)).text()
        assert Note.parse(f"{text}\n{line}").signed_by(witness.signer.verifier) == at
    again = WitnessState(tmp_path / "w", "witness.example", [LOG.verifier])
    assert again.seen("log.example") == (17, root_at(kept, 17))
    again.add_checkpoint(request(17, kept, 40), at)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (409, request(3, tree(9), 9)),
        (422, request(7, tree(9, "fork "), 9)),
        (422, request(7, tree(7, "fork "), 7)),
        (422, request(7, tree(9), 9, proof=[bytes(32)])),
        (403, request(7, tree(9), 9, signer=OTHER)),
        (404, request(7, tree(9), 9).replace("log.example\n", "other.example\n")),
        (400, request(9, tree(9), 7)),
        (400, "old 7\n"),
        (400, "old -7\n\n" + request(7, tree(9), 9)),
        (400, "old 7\nnot base64!\n\nlog.example\n9\n"),
    ],
)
def test_what_does_not_go_on_from_the_last_head_is_refused(witness, status, body) -> None:
    witness.add_checkpoint(request(0, tree(7), 7), 1)
    with pytest.raises(Refused) as refused:
        witness.add_checkpoint(body, 2)
    assert refused.value.status == status
    assert witness.seen("log.example") == (7, root_at(tree(7), 7))


def test_a_log_that_went_back_is_told_what_was_signed(witness) -> None:
    witness.add_checkpoint(request(0, tree(7), 7), 1)
    with pytest.raises(SizeDiffers, match="7"):
        witness.add_checkpoint(request(0, tree(5), 5), 2)


@given(st.text(max_size=300))
def test_arbitrary_requests_are_refused(tmp_path_factory, text) -> None:
    witness = WitnessState(tmp_path_factory.mktemp("w"), "witness.example", [LOG.verifier])
    with pytest.raises(Refused):
        witness.add_checkpoint(text, 1)


@pytest.mark.process
def test_a_witness_is_a_process_of_its_own_without_django(tmp_path) -> None:
    folder = tmp_path / "w"
    watched = "import sys, runpy; sys.modules['django'] = None; sys.argv[0] = 'witness'; "
    command = [sys.executable, "-c", watched + "runpy.run_module('compliance.witness', run_name='__main__')"]
    options = ["--name", "witness.example", "--folder", str(folder), "--log", LOG.verifier.encoded()]
    with subprocess.Popen([*command, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert "listens" in process.stdout.readline()
            address = (folder / "address").read_text()
            key = Verifier.decode((folder / "key.pub").read_text())
            with urllib.request.urlopen(f"{address}/add-checkpoint", request(0, tree(3), 3).encode()) as response:
                line = response.read().decode()
            text = Checkpoint("log.example", 3, root_at(tree(3), 3)).text()
            assert Note.parse(f"{text}\n{line}").signed_by(key)
        finally:
            process.kill()
