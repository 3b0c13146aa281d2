"""The last links: a root of frames is in the log, the log's head is signed, and witnesses stand behind that head."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from compliance.log.merkle import ProofRefused, leaf_hash, verify_inclusion
from compliance.log.notes import Checkpoint, Note, NoteRefused, Verifier
from compliance.log.records import commitment_to
from devices.evidence.outcome import Check, Outcome

KIND = "frames_sealed"
SOON = "The log takes it in within seconds."


@dataclass(frozen=True, slots=True)
class LogLink:
    """A log entry and the way from it to a signed head.

    index: None while the entry waits for its place; path: from its commitment to the head, lowest first. note: the
    signed head. log: the log's own key; witnesses: whose cosignatures count, `quorum` of them are enough.
    """

    record: str | None
    salt: bytes | None
    commitment: bytes
    index: int | None = None
    path: Sequence[bytes] = ()
    note: str = ""
    log: Verifier | None = None
    witnesses: Sequence[Verifier] = ()
    quorum: int = 2
    trouble: str = ""  # why no proof can be made from what the log stores


def record_of(name: str, root: bytes, frames: int) -> dict[str, object]:
    """Return what the log holds of a root over frames."""
    return {"seal": name, "root": root.hex(), "frames": frames}


def checks_of_link(link: LogLink | None, expected: Mapping[str, object] | None, what: str) -> Iterator[Check]:
    """Yield whether the log holds this, whether its head is signed, and whether enough witnesses stand behind that.

    expected: what the entry's record must say; None while there is nothing to be found in the log yet.
    """
    yield _in_log(link, expected, f"{what} is in the transparency log")
    yield _head_signed(link)
    yield _witnessed(link)


def _in_log(link: LogLink | None, expected: Mapping[str, object] | None, name: str) -> Check:
    if expected is None:
        return Check(name, Outcome.WAITING, SOON)
    if link is None:
        return Check(name, Outcome.MISSING, "The log has no entry for it.")
    if link.record is None or link.salt is None:
        return Check(name, Outcome.MISSING, "The entry's record was erased; only its commitment is left.")
    said = json.loads(link.record)
    fits = all(said.get(name) == value for name, value in expected.items())
    if commitment_to(link.salt, link.record) != link.commitment or not fits:
        return Check(name, Outcome.BROKEN, "The log's entry says something else.")
    if link.trouble:
        return Check(name, Outcome.BROKEN, f"The proof does not hold: {link.trouble}.")
    if link.index is None or not link.note:
        return Check(name, Outcome.WAITING, SOON)
    try:
        head = Checkpoint.parse(Note.parse(link.note).text)
        leaf = leaf_hash(link.commitment)
        verify_inclusion(leaf=leaf, index=link.index, size=head.size, proof=link.path, root=head.root)
    except (ProofRefused, NoteRefused) as error:
        return Check(name, Outcome.BROKEN, f"The proof does not hold: {error}.")
    return Check(name, Outcome.HOLDS, f"Entry {link.index} of {head.size}; {len(link.path)} hashes lead to the head.")


def _head_signed(link: LogLink | None) -> Check:
    name = "The log's head is signed"
    if link is None or not link.note or link.log is None:
        return Check(name, Outcome.WAITING, SOON)
    try:
        Note.parse(link.note).signed_by(link.log)
    except NoteRefused as error:
        return Check(name, Outcome.BROKEN, f"The signature does not hold: {error}.")
    return Check(name, Outcome.HOLDS, f"By {link.log.name}, Ed25519.")


def _witnessed(link: LogLink | None) -> Check:
    name = "Independent witnesses stand behind it"
    if link is None or not link.note:
        return Check(name, Outcome.WAITING, SOON)
    signed = [witness.name for witness in link.witnesses if _signed(link.note, witness)]
    if len(signed) < link.quorum:
        return Check(name, Outcome.WAITING, f"{len(signed)} of the {link.quorum} that are asked for have cosigned.")
    return Check(name, Outcome.HOLDS, f"Cosigned by {', '.join(signed)}.")


def _signed(note: str, witness: Verifier) -> bool:
    try:
        Note.parse(note).signed_by(witness)
    except NoteRefused:
        return False
    return True
