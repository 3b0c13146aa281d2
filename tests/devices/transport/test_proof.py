"""The proof of an acknowledgement: made by the server, checked by the gateway, made by nobody else."""

from __future__ import annotations

import pytest

from devices.protocol.proof import ack_is_proven, prove_ack

KEYS = {7: b"7" * 16, 8: b"8" * 16}
SESSION, FRAMES = b"s" * 32, [(7, 42), (8, 5)]


def test_proof_of_the_server_is_accepted() -> None:
    assert ack_is_proven(prove_ack(SESSION, FRAMES, KEYS), SESSION, FRAMES, KEYS)


@pytest.mark.parametrize("forger", [{7: bytes(16), 8: b"8" * 16}, {7: b"7" * 16, 8: bytes(16)}])
def test_every_key_is_needed(forger: dict[int, bytes]) -> None:
    assert not ack_is_proven(prove_ack(SESSION, FRAMES, forger), SESSION, FRAMES, KEYS)


@pytest.mark.parametrize(
    ("session", "frames"),
    [
        (b"t" * 32, FRAMES),
        (SESSION, [(7, 43), (8, 5)]),
        (SESSION, [(7, 42)]),
        (SESSION, [*FRAMES, (8, 6)]),
        (SESSION, [(8, 5), (7, 42)]),
    ],
    ids=["session", "counter", "fewer", "more", "order"],
)
def test_proof_holds_for_nothing_else(session: bytes, frames: list[tuple[int, int]]) -> None:
    assert not ack_is_proven(prove_ack(SESSION, FRAMES, KEYS), session, frames, KEYS)


@pytest.mark.parametrize("proof", ["", "00" * 32, "x", "\ud800"])
def test_babble_is_no_proof(proof: str) -> None:
    assert not ack_is_proven(proof, SESSION, FRAMES, KEYS)


@pytest.mark.parametrize("frames", [[(9, 1)], [(7, -1)], [(7, 1 << 64)], [(-7, 1)]])
def test_frames_that_cannot_be_ours_are_not_proven(frames: list[tuple[int, int]]) -> None:
    assert not ack_is_proven("00" * 32, SESSION, frames, KEYS)
