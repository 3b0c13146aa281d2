"""Sealed studies on the gateway's disk, from the moment they are sealed until the server has them.

A study becomes visible in the spool by one rename, when it is whole; what a killed agent left behind is thrown away and
sealed again. The identifier is derived from what is sent, for whom and by whom, so that the same study sent twice is
one study.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from imaging.agent.source import StudyNote, content_of, prepared, source_files
from imaging.sealing import Entry, Sealing, seal_study
from imaging.sealing.manifest import sign

MANIFEST, SIGNATURE = "manifest.json", "signature"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this gateway is, and for whom it seals."""

    gateway: int
    signing_key: Ed25519PrivateKey
    hospital_public: bytes


@dataclass(frozen=True, slots=True)
class Spooled:
    """A sealed study that waits on disk."""

    folder: Path

    @property
    def study(self) -> UUID:
        """The study's identifier."""
        return UUID(self.folder.name)

    @property
    def manifest(self) -> bytes:
        """The manifest's bytes as signed."""
        return (self.folder / MANIFEST).read_bytes()

    @property
    def signature(self) -> bytes:
        """The gateway's signature over the manifest."""
        return (self.folder / SIGNATURE).read_bytes()

    @property
    def urgent(self) -> bool:
        """Tell whether somebody waits for it; the seal is not checked here, the server does that."""
        return bool(json.loads(self.manifest).get("urgency", "routine") != "routine")

    def piece(self, index: int) -> bytes:
        """Return one sealed piece."""
        return piece_path(self.folder, index).read_bytes()


def piece_path(folder: Path, index: int) -> Path:
    """Return where a piece lies."""
    return folder / f"{index:06d}.piece"


class Spool:
    """The folder of sealed studies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def waiting(self) -> Iterator[Spooled]:
        """Yield the sealed studies that were not received yet: urgent ones first, then by age."""
        found = [path for path in self._folder.iterdir() if path.is_dir() and "-" not in path.name[:8]]
        waiting = [(path.stat().st_mtime, Spooled(path)) for path in found]
        yield from (one for _, one in sorted(waiting, key=lambda pair: (not pair[1].urgent, pair[0])))

    def forget_drafts(self) -> None:
        """Throw away what a killed agent left half sealed. Call it once, at start."""
        for draft in self._folder.glob("draft-*"):
            shutil.rmtree(draft, ignore_errors=True)

    def refuse(self, spooled: Spooled, reason: str) -> None:
        """Set a study aside that the server will never take; it stays on disk with the reason beside it."""
        aside = self._folder / f"refused-{spooled.folder.name}"
        shutil.rmtree(aside, ignore_errors=True)
        spooled.folder.rename(aside)
        (aside / "reason.txt").write_text(reason + "\n")

    def forget(self, spooled: Spooled) -> None:
        """Delete a study that the server has."""
        shutil.rmtree(spooled.folder)

    def seal(self, source: Path, note: StudyNote, identity: Identity) -> Spooled:
        """Seal the folder `source`; return at once when the same study already waits.

        Raises NotDicom, KSpaceMalformed, StudyMalformed or StudyTooLarge; OSError when the disk is full.
        """
        study = study_identifier(source, note, identity.gateway)
        final = self._folder / str(study)
        if final.exists():
            return Spooled(final)
        draft = Path(tempfile.mkdtemp(prefix="draft-", dir=self._folder))
        try:
            self._seal_into(draft, study, source, note, identity)
            draft.rename(final)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return Spooled(final)

    def _seal_into(self, draft: Path, study: UUID, source: Path, note: StudyNote, identity: Identity) -> None:
        files = []
        plain = draft / "plain"  # sizes are declared before the first byte is sealed, without holding a study in memory
        plain.mkdir()
        for entry in prepared(source, note.description):
            (plain / entry.name).write_bytes(entry.data)
            files.append((entry.name, len(entry.data)))
        sealing = Sealing(
            study,
            identity.gateway,
            identity.signing_key,
            identity.hospital_public,
            content_of(source),
            time.time(),
            note.patient,
            note.urgency,
            note.synthetic,
        )
        entries = (Entry(name, (plain / name).read_bytes()) for name, _ in files)
        manifest = seal_study(sealing, files, entries, lambda index, piece: _write(piece_path(draft, index), piece))
        shutil.rmtree(plain)
        raw = manifest.encode()
        _write(draft / SIGNATURE, sign(raw, identity.signing_key))
        _write(draft / MANIFEST, raw)


def study_identifier(source: Path, note: StudyNote, gateway: int) -> UUID:
    """Return the identifier of these files for this patient from this gateway (the first half of a SHA-256)."""
    digest = hashlib.sha256(f"{gateway}/{note.patient}/{note.urgency}/{note.description}/{note.synthetic}\n".encode())
    for path in source_files(source):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return UUID(bytes=digest.digest()[:16], version=4)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
