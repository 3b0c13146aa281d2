"""Ask witnesses to sign the newest head. Their memory is what a rewritten database cannot change.

Each is asked in a thread of its own that touches nothing but the network, so that one that hangs delays neither the
others nor the sequencer. What they answered is taken up at the next turn, by the thread that holds the database.
"""

from __future__ import annotations

import logging
import queue
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from compliance.log.notes import Note, NoteRefused, Verifier, independent
from compliance.models import LogCheckpoint, Witness
from compliance.selectors.log import consistency_between
from compliance.services.log_keys import WitnessAddress, log_signer, witnesses
from compliance.services.witness_calls import Answer, Call

log = logging.getLogger(__name__)
EVERY_S = 1.0  # a witness signs at most once a second, however fast the log grows
ASK_AGAIN_S = 30.0  # and again although nothing new was logged: it may remember another log
MOST_WAIT_S = 300.0  # between two attempts at a witness that does not answer


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A witness remembers another log than the database holds. size: what it signed last."""

    witness: str
    size: int
    reason: str


class WitnessUnreachable(Exception):
    """The witness did not answer, or not sensibly."""


@dataclass(slots=True)
class _Standing:
    """What this process knows of a witness. Times: s of the monotonic clock."""

    call: Call | None = None
    head: LogCheckpoint | None = None
    believed: int = 0
    corrected: bool = False  # it told the size that it signed last, and is asked from there
    due_at: float = 0.0
    failures: int = 0
    signed_head: int = 0


class Cosigning:
    """Asks witnesses side by side, and takes up what they answered."""

    def __init__(self) -> None:
        self._standings: dict[str, _Standing] = {}
        self._answers: queue.SimpleQueue[tuple[Call, Answer]] = queue.SimpleQueue()

    def step(self, head: LogCheckpoint | None, *, at_once: bool = False) -> list[Contradiction]:
        """Take up answers, then ask who is due about `head`; return what witnesses contradict.

        at_once: ask also those that are not due. Raises TileMissing and ProofRefused when the tree holds no proof.
        """
        found = list(self._take_up())
        for address in witnesses() if head is not None else []:
            standing = self._standings.setdefault(address.verifier.name, _Standing())
            if standing.call is not None and standing.call.is_over_time():
                standing.call.give_up()
                self._failed(address, standing, "did not answer in time")
            if head is not None and standing.call is None and (at_once or _is_due(standing, head)):
                self._ask(address, standing, head, _believed(address))
        return found

    def wait(self, limit_s: float) -> list[Contradiction]:
        """Take up answers until none is outstanding or `limit_s` are over."""
        until, found = time.monotonic() + limit_s, list[Contradiction]()
        while any(standing.call for standing in self._standings.values()) and time.monotonic() < until:
            found += self._take_up(timeout_s=0.05)
        return found

    def _ask(self, address: WitnessAddress, standing: _Standing, head: LogCheckpoint, believed: int) -> None:
        standing.believed, standing.head = max(0, min(believed, head.size)), head
        request = _request(head, standing.believed)
        standing.call = Call(address, request, self._answers)
        standing.call.start()

    def _take_up(self, timeout_s: float = 0.0) -> Iterator[Contradiction]:
        while True:
            try:
                call, answer = self._answers.get(timeout=timeout_s) if timeout_s else self._answers.get_nowait()
            except queue.Empty:
                return
            standing = self._standings.get(call.address.verifier.name)
            if standing is None or standing.call is not call or standing.head is None:
                continue  # given up before it came
            standing.call = None
            try:
                contradiction = self._judge(call.address, standing, standing.head, answer)
            except (WitnessUnreachable, NoteRefused) as error:
                self._failed(call.address, standing, str(error))
                continue
            if contradiction is not None:
                yield contradiction

    def _judge(
        self, address: WitnessAddress, standing: _Standing, head: LogCheckpoint, answer: Answer
    ) -> Contradiction | None:
        """Keep a cosignature, go on from the size that a witness tells, or say what it contradicts."""
        if answer.status == 409 and not standing.corrected:
            size = _size_in(answer.text)
            if size > head.size:
                return self._contradicted(
                    address, standing, size, f"It signed {size} entries, and only {head.size} are left."
                )
            standing.corrected = True
            self._ask(address, standing, head, size)
            return None
        standing.corrected = False
        if answer.status == 422:
            words = "What it signed before is no longer in the log."
            return self._contradicted(address, standing, standing.believed, words)
        if answer.status != 200:
            raise WitnessUnreachable(answer.trouble or f"answered {answer.status}: {answer.text[:80].strip()}")
        keep_cosignature(head, address, answer.text)
        standing.failures, standing.signed_head = 0, head.size
        standing.due_at = time.monotonic() + EVERY_S
        _note(address, signed_size=head.size, signed_at=timezone.now(), trouble="")
        return None

    def _contradicted(self, address: WitnessAddress, standing: _Standing, size: int, words: str) -> Contradiction:
        standing.corrected = False
        standing.due_at = time.monotonic() + ASK_AGAIN_S
        _note(address, trouble=words[:240])
        return Contradiction(address.verifier.name, size, words)

    def _failed(self, address: WitnessAddress, standing: _Standing, words: str) -> None:
        standing.call, standing.corrected = None, False
        standing.failures += 1
        standing.due_at = time.monotonic() + min(EVERY_S * 2**standing.failures, MOST_WAIT_S)
        log.warning("witness %s: %s", address.verifier.name, words)
        _note(address, trouble=words[:240])


def cosign(checkpoint: LogCheckpoint, limit_s: float = 10.0) -> list[Contradiction]:
    """Ask every witness for a cosignature, keep those that hold, and return what witnesses contradict.

    Waits for them, at most `limit_s`: for commands and tests. The process that keeps the log does not wait.
    """
    cosigning = Cosigning()
    found = [*cosigning.step(checkpoint, at_once=True), *cosigning.wait(limit_s)]
    checkpoint.refresh_from_db()
    return found


def _is_due(standing: _Standing, head: LogCheckpoint) -> bool:
    rest = 0.0 if standing.failures or head.size > standing.signed_head else ASK_AGAIN_S - EVERY_S
    return time.monotonic() >= standing.due_at + rest


def _believed(address: WitnessAddress) -> int:
    _note(address)
    return Witness.objects.values_list("signed_size", flat=True).get(name=address.verifier.name)


def _note(address: WitnessAddress, **fields: object) -> None:
    Witness.objects.update_or_create(name=address.verifier.name, defaults={"key": address.verifier.encoded(), **fields})


def _request(head: LogCheckpoint, believed: int) -> str:
    """Return the body of C2SP tlog-witness add-checkpoint: old size, proof, and the head as the log signed it."""
    proof = consistency_between(believed, head.size)
    text = f"old {believed}\n" + "".join(f"{b64encode(item).decode()}\n" for item in proof)
    own = Note.parse(head.note)
    return f"{text}\n{own.text}\n{head.note.split(chr(10) + chr(10), 1)[1].splitlines()[0]}\n"


def _size_in(answer: str) -> int:
    if not answer.strip().isascii() or not answer.strip().isdigit() or len(answer) > 20:
        raise WitnessUnreachable("answered 409 without a size")
    return int(answer)


def keep_cosignature(checkpoint: LogCheckpoint, address: WitnessAddress, lines: str) -> None:
    """Put cosignatures that hold under the head, one for each key: signed again, the first one stays.

    Raises NoteRefused when the answer holds no signature of this witness.
    """
    text = Note.parse(checkpoint.note).text
    answered = Note.parse(f"{text}\n{lines if lines.endswith(chr(10)) else lines + chr(10)}")
    holding = [key for key in address.verifiers if _signed(answered, key)]
    if not holding:
        answered.signed_by(address.verifier)
    with transaction.atomic():
        locked = LogCheckpoint.objects.select_for_update().get(pk=checkpoint.pk)
        kept = Note.parse(locked.note)
        fresh = [key for key in holding if not _signed(kept, key)]
        for key in fresh:
            locked.note += answered.line_of(key)
        if fresh:
            locked.witnesses = witnesses_under(Note.parse(locked.note))
            locked.save(update_fields=["note", "witnesses"])


def witnesses_under(note: Note) -> int:
    """Return how many independent witnesses of this house signed a head."""
    known = [key for address in witnesses() for key in address.verifiers if key.public != log_signer().verifier.public]
    return independent(key for key in known if _signed(note, key))


def _signed(note: Note, key: Verifier) -> bool:
    try:
        note.signed_by(key)
    except NoteRefused:
        return False
    return True
