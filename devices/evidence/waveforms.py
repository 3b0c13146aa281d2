"""What proves a waveform: the stored samples, sealed again, give exactly the frame whose hash was kept when it came.

Each of our ciphers makes the same bytes of the same key, nonce and text. A hash of 32 bytes therefore stands for the
whole frame, for as long as the samples and the key are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from devices.errors import FrameError
from devices.evidence.checks import Facts, gateway_check, root_check
from devices.evidence.logged import checks_of_link
from devices.evidence.outcome import Check, Outcome
from devices.protocol.frames import HEARD_VERSION, FrameKind, Header, encode_waveform
from devices.protocol.heard import Run, encode_heard
from devices.protocol.suites import SuiteCiphers
from devices.telemetry import Waveform
from devices.telemetry.lanes import number_of


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A frame made again from stored samples; `frame` is None where the key is gone or the samples fit no frame."""

    frame: bytes | None
    expected: bytes | None  # SHA-256 that was kept; None where none was

    @property
    def same(self) -> bool:
        """Tell whether it is the frame that came."""
        return self.frame is not None and sha256(self.frame).digest() == self.expected


def rebuild(block: Waveform, facts: Facts) -> Rebuilt:
    """Seal a stored block as its device did: with the key of the epoch and the counter that were kept of its frame."""
    if facts.stored is None or facts.place is None:
        return Rebuilt(None, None)
    expected, entry = facts.stored.group.hash_of(facts.place), facts.stored.group.entries[facts.place]
    if facts.key is None:
        return Rebuilt(None, expected)
    number = block.device if facts.number is None else facts.number
    head = Header(FrameKind.WAVEFORM, number, int(entry["epoch"]), int(entry["counter"]), facts.suite)
    try:
        seq = number_of(block.seq)
        payload = encode_waveform(seq, block.metric, block.t0, block.period_s, block.scale, block.samples)
        if facts.heard is not None:
            head, payload = head._replace(version=HEARD_VERSION), encode_heard([Run(1, facts.heard)]) + payload
    except FrameError:
        return Rebuilt(None, expected)
    sealed = SuiteCiphers(small=True).seal_batch([head.suite], [facts.key], [head.nonce], [head.raw], [payload])
    return Rebuilt(head.raw + sealed[0], expected)


def checks_of_waveform(facts: Facts, rebuilt: Rebuilt) -> Iterator[Check]:
    """Yield the links from the samples on the screen to the root in the log."""
    yield _hash_kept(rebuilt)
    yield _samples(facts, rebuilt)
    yield gateway_check(facts)
    yield root_check(facts)
    yield from checks_of_link(facts.link, {"root": facts.root.hex()} if facts.root else None, "The root")


def _hash_kept(rebuilt: Rebuilt) -> Check:
    name = "The hash of the sealed frame is kept"
    if rebuilt.expected is None:
        words = "None is stored for this block. It came before hashes were kept, or the store was changed."
        return Check(name, Outcome.MISSING, words)
    return Check(name, Outcome.HOLDS, "SHA-256 of the frame, taken when it came.")


def _samples(facts: Facts, rebuilt: Rebuilt) -> Check:
    name = "The samples are those that the device sealed"
    if rebuilt.expected is None:
        return Check(name, Outcome.MISSING, "There is no hash to compare with.")
    if facts.key is None:
        return Check(name, Outcome.MISSING, "The key of that time is no longer kept; the hash still holds.")
    if not rebuilt.same:
        return Check(name, Outcome.BROKEN, "Sealed again, the stored samples give other bytes than those that came.")
    return Check(name, Outcome.HOLDS, "Sealed again with the device's key they give the same bytes as those that came.")
