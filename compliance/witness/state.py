"""What a witness remembers of each log, on disk: the newest head that it signed. Losing it would let a log fork."""

from __future__ import annotations

import base64
import json
import os
import threading
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from compliance.log.merkle import ProofRefused, verify_consistency
from compliance.log.notes import QUANTUM_SAFE_KEY, WITNESS_KEY, Checkpoint, Note, NoteRefused, Signer, Verifier

Seen = tuple[int, bytes]


class Refused(Exception):
    """A request that is not granted. status: the HTTP status that C2SP tlog-witness gives it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class SizeDiffers(Refused):
    """The caller's idea of what was signed last is wrong; the answer tells the right size."""

    def __init__(self, size: int) -> None:
        super().__init__(409, f"{size}\n")


class WitnessState:
    """Signs heads for the logs it knows, one request at a time."""

    def __init__(self, folder: Path, name: str, logs: list[Verifier], *, quantum_safe: bool = False) -> None:
        self._folder, self._logs = folder, {log.name: log for log in logs}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.signer = Signer(name, WITNESS_KEY, _key_in(folder))
        self.signers = [self.signer]
        if quantum_safe:
            self.signers.append(Signer(name, QUANTUM_SAFE_KEY, _quantum_safe_key_in(folder)))
        self._lock = threading.Lock()
        _replace(folder / "key.pub", self.keys())

    def keys(self) -> str:
        """Return the public keys, a word on a line."""
        return "".join(f"{signer.verifier.encoded()}\n" for signer in self.signers)

    def add_checkpoint(self, request: str, at: int) -> str:
        """Return the cosignature lines for a request of C2SP tlog-witness `add-checkpoint`. at: s since the Unix epoch.

        Raises Refused: 400 malformed, 403 not signed by the log, 404 unknown log, 409 another size was signed last,
        422 not consistent with it.
        """
        old, proof, note = _parsed(request)
        try:
            head = Checkpoint.parse(note.text)
        except NoteRefused as error:
            raise Refused(400, str(error)) from error
        log = self._logs.get(head.origin)
        if log is None:
            raise Refused(404, "this log is not known here")
        try:
            note.signed_by(log)
        except NoteRefused as error:
            raise Refused(403, str(error)) from error
        with self._lock:
            self._take(head, old, proof)
        return "".join(signer.line(note.text, at) for signer in self.signers)

    def _take(self, head: Checkpoint, old: int, proof: list[bytes]) -> None:
        """Check a head against what was signed last and remember it, on disk before anything is signed."""
        if old > head.size:
            raise Refused(400, "the old size is larger than the new one")
        size, root = self.seen(head.origin)
        if old != size:
            raise SizeDiffers(size)
        try:
            if size:
                verify_consistency(old=size, new=head.size, old_root=root, new_root=head.root, proof=proof)
            elif proof:
                raise ProofRefused("nothing was signed before: there is nothing to prove")
        except ProofRefused as error:
            raise Refused(422, str(error)) from error
        kept = {"size": head.size, "root": base64.b64encode(head.root).decode()}
        _replace(self._place(head.origin), json.dumps(kept))

    def seen(self, origin: str) -> Seen:
        """Return size and root of the newest head signed for a log; 0 and nothing before the first."""
        try:
            kept = json.loads(self._place(origin).read_text())
        except FileNotFoundError:
            return 0, b""
        return int(kept["size"]), base64.b64decode(kept["root"])

    def _place(self, origin: str) -> Path:
        return self._folder / f"log-{self._logs[origin].key_id.hex()}.json"


def _parsed(request: str) -> tuple[int, list[bytes], Note]:
    """Split `old <size>`, proof lines, an empty line and the checkpoint. Raises Refused."""
    head, found, rest = request.partition("\n\n")
    lines = head.split("\n")
    word, _, number = lines[0].partition(" ")
    if (
        not found
        or word != "old"
        or not number.isascii()
        or not number.isdigit()
        or len(number) > 19
        or len(lines) > 64
    ):
        raise Refused(400, "a request is old size, proof, an empty line and a checkpoint")
    try:
        proof = [base64.b64decode(line, validate=True) for line in lines[1:]]
        return int(number), proof, Note.parse(rest)
    except ValueError as error:
        raise Refused(400, str(error)) from error


def _key_in(folder: Path) -> Ed25519PrivateKey:
    place = folder / "private.key"
    if not place.exists():
        _replace(place, Ed25519PrivateKey.generate().private_bytes_raw().hex())
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(place.read_text()))


def _quantum_safe_key_in(folder: Path) -> MLDSA44PrivateKey:
    place = folder / "private-ml-dsa-44.key"
    if not place.exists():
        _replace(place, MLDSA44PrivateKey.generate().private_bytes_raw().hex())
    return MLDSA44PrivateKey.from_seed_bytes(bytes.fromhex(place.read_text()))


def _replace(place: Path, text: str) -> None:
    """Write a file so that after a power cut either the old or the new one is there, whole."""
    draft = place.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(place)
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
