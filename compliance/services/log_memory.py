"""What the keeper of the log remembers outside the database: the newest head that it saw, as the log signed it.

Whoever restores an older database, or rewrites it, would have to change this file as well, and its text is signed.
"""

from __future__ import annotations

import os
from pathlib import Path

from compliance.log.merkle import ProofRefused, verify_consistency
from compliance.log.notes import Checkpoint, Note, NoteRefused
from compliance.log.tiles import TileMissing
from compliance.models import LogCheckpoint
from compliance.selectors.log import consistency_between
from compliance.services.log_keys import log_signer
from compliance.services.log_watch import Finding


class HeadMemory:
    """One file with one signed head. An absent file remembers nothing: that is how a new computer begins."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._known: Checkpoint | None = None  # as written or found good by this process

    def check(self, newest: LogCheckpoint | None) -> list[Finding]:
        """Hold the newest head against the one remembered, and remember it when it goes on from there."""
        try:
            seen = self._read()
        except NoteRefused:
            return [Finding("memory_changed", newest.size if newest else 0)]
        if self._known is not None and (seen is None or seen.size < self._known.size):
            return [Finding("memory_changed", self._known.size)]  # removed or set back while this process ran
        if newest is None:
            return [Finding("log_shrank", 0)] if seen is not None and seen.size else []
        if seen is not None and (seen.size, seen.root) == (newest.size, bytes(newest.root)):
            self._known = seen
            return []
        if seen is not None and (contradiction := _contradiction(seen, newest)):
            return [contradiction]
        self._write(newest)
        return []

    def _read(self) -> Checkpoint | None:
        """Return the head remembered. Raises NoteRefused when the log never signed it."""
        try:
            text = self._place.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise NoteRefused("the memory cannot be read") from error
        note = Note.parse(text)
        note.signed_by(log_signer().verifier)
        return Checkpoint.parse(note.text)

    def _write(self, newest: LogCheckpoint) -> None:
        try:
            note = Note.parse(newest.note)
            note.signed_by(log_signer().verifier)
            head = Checkpoint.parse(note.text)
        except NoteRefused:
            return  # a forged head is told elsewhere, and is no memory
        self._place.parent.mkdir(parents=True, exist_ok=True)
        draft = self._place.with_name(self._place.name + ".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(f"{note.text}\n{note.line_of(log_signer().verifier)}")
        draft.replace(self._place)
        self._known = head


def _contradiction(seen: Checkpoint, newest: LogCheckpoint) -> Finding | None:
    if newest.size < seen.size:
        return Finding("log_shrank", newest.size)
    if newest.size == seen.size:
        return Finding("log_forked", newest.size)
    try:
        path = consistency_between(seen.size, newest.size)
        verify_consistency(old=seen.size, new=newest.size, old_root=seen.root, new_root=bytes(newest.root), proof=path)
    except (ProofRefused, TileMissing):
        return Finding("log_forked", newest.size)
    return None
