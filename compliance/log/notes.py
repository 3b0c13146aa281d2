"""Signed notes and checkpoints as C2SP writes them (signed-note, tlog-checkpoint, tlog-cosignature).

Logs sign with Ed25519; witnesses with Ed25519, and with ML-DSA-44 (FIPS 204) beside it where they choose to.

A note is text that ends with a newline, an empty line, and one line per signature: an em dash, the signer's name and
base64 of a 4-byte key id and the signature. A checkpoint's text is origin, size and tree head, a line each.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

# Signature types: plain Ed25519 of a log, timestamped Ed25519 of a witness, timestamped ML-DSA-44 of a witness.
LOG_KEY, WITNESS_KEY, QUANTUM_SAFE_KEY = 0x01, 0x04, 0x06
PUBLIC_BYTES = {LOG_KEY: 32, WITNESS_KEY: 32, QUANTUM_SAFE_KEY: 1312}
SIGNATURE_BYTES = {LOG_KEY: 64, WITNESS_KEY: 64, QUANTUM_SAFE_KEY: 2420}
ID_BYTES, TIME_BYTES = 4, 8
SUBTREE_LABEL = b"subtree/v1\n\0"
MAX_NAME_BYTES = 255  # of a name that an ML-DSA-44 cosignature speaks of
MAX_NOTE_CHARS = 65_536
MAX_SIZE = 1 << 62
MAX_SIZE_DIGITS = 19


class NoteRefused(ValueError):
    """A note, a key or a signature is not what it should be; the message says why."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """A signer's name and public key. kind: LOG_KEY, WITNESS_KEY or QUANTUM_SAFE_KEY."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256(name || newline || kind || key)."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:ID_BYTES]

    def encoded(self) -> str:
        """Return the key as one word: name+id+base64(kind || key)."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(bytes([self.kind]) + self.public).decode()}"

    @classmethod
    def decode(cls, word: str) -> Verifier:
        """Read what `encoded` wrote. Raises NoteRefused."""
        try:
            name, key_id, packed = word.strip().split("+", 2)
            raw = base64.b64decode(packed, validate=True)
        except ValueError as error:
            raise NoteRefused("a verifier key is name+id+base64") from error
        if not raw or PUBLIC_BYTES.get(raw[0]) != len(raw) - 1 or not _is_name(name):
            raise NoteRefused("the verifier key is of an unknown kind")
        found = cls(name, raw[0], raw[1:])
        if found.key_id.hex() != key_id:
            raise NoteRefused("the verifier key's id does not fit its name and key")
        return found

    def check(self, text: str, signature: bytes) -> int | None:
        """Check a signature (without key id) over a note's text; return its time in s for a witness, None for a log.

        Raises NoteRefused.
        """
        timed = self.kind != LOG_KEY
        if len(signature) != SIGNATURE_BYTES[self.kind] + TIME_BYTES * timed:
            raise NoteRefused(f"the signature of {self.name} has the wrong length")
        at = struct.unpack(">Q", signature[:TIME_BYTES])[0] if timed else None
        public = MLDSA44PublicKey if self.kind == QUANTUM_SAFE_KEY else Ed25519PublicKey
        try:
            message = _message(self.kind, self.name, text, at)
            public.from_public_bytes(self.public).verify(signature[TIME_BYTES * timed :], message)
        except InvalidSignature as error:
            raise NoteRefused(f"the signature of {self.name} does not hold") from error
        except UnsupportedAlgorithm as error:
            raise NoteRefused(f"the signature of {self.name} is ML-DSA-44, which is not supported here") from error
        except ValueError as error:
            raise NoteRefused(f"the key of {self.name} is none, or the note names no tree head") from error
        return at


PrivateKey: TypeAlias = Ed25519PrivateKey | MLDSA44PrivateKey


@dataclass(frozen=True, slots=True)
class Signer:
    """Somebody who signs notes."""

    name: str
    kind: int
    key: PrivateKey

    @property
    def verifier(self) -> Verifier:
        """What others need to check this signer."""
        return Verifier(self.name, self.kind, self.key.public_key().public_bytes_raw())

    def line(self, text: str, at: int = 0) -> str:
        """Return the signature line over a note's text. at: s since the Unix epoch, for a witness."""
        timed = self.kind != LOG_KEY
        signature = self.key.sign(_message(self.kind, self.name, text, at if timed else None))
        packed = self.verifier.key_id + (struct.pack(">Q", at) if timed else b"") + signature
        return f"— {self.name} {base64.b64encode(packed).decode()}\n"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: whose log, how many leaves, which root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the note's text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a note's text; lines after the third are extensions and are ignored. Raises NoteRefused."""
        lines = text.split("\n")
        if (
            len(lines) < 4
            or not _is_name(lines[0].replace(" ", ""))
            or not lines[1].isascii()
            or not lines[1].isdigit()
            or len(lines[1]) > MAX_SIZE_DIGITS  # Python refuses to read a number of thousands of digits
        ):
            raise NoteRefused("a checkpoint is origin, size and root, a line each")
        if str(int(lines[1])) != lines[1] or int(lines[1]) > MAX_SIZE:
            raise NoteRefused("the checkpoint's size is not a plain number")
        root = _unpacked(lines[2])
        if len(root) != 32 or base64.b64encode(root).decode() != lines[2]:
            raise NoteRefused("the checkpoint's root is not base64 of 32 bytes")
        return cls(lines[0], int(lines[1]), root)


@dataclass(frozen=True, slots=True)
class Note:
    """A text with signatures: (name, key id, signature), in order."""

    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]

    @classmethod
    def parse(cls, raw: str) -> Note:
        """Read a signed note. Raises NoteRefused."""
        if len(raw) > MAX_NOTE_CHARS:
            raise NoteRefused("the note is too long")
        text, found, tail = raw.rpartition("\n\n")
        if not found or not tail.endswith("\n"):
            raise NoteRefused("a note has a text, an empty line and signatures")
        return cls(text + "\n", tuple(_signature(line) for line in tail[:-1].split("\n")))

    def signed_by(self, verifier: Verifier) -> int | None:
        """Check this signer's signature and return its time, s (None for a log).

        Raises NoteRefused when it is absent or does not hold.
        """
        for name, key_id, signature in self.signatures:
            if name == verifier.name and key_id == verifier.key_id:
                return verifier.check(self.text, signature)
        raise NoteRefused(f"{verifier.name} has not signed this note")

    def line_of(self, verifier: Verifier) -> str:
        """Return this signer's line, unchecked. Raises NoteRefused when there is none."""
        for name, key_id, signature in self.signatures:
            if name == verifier.name and key_id == verifier.key_id:
                return f"— {name} {base64.b64encode(key_id + signature).decode()}\n"
        raise NoteRefused(f"{verifier.name} has not signed this note")


def independent(keys: Iterable[Verifier]) -> int:
    """Return how many signers these keys stand for: keys under one name are one, and so is one key under two names."""
    groups: list[tuple[set[str], set[bytes]]] = []
    for key in keys:
        names, publics = {key.name}, {key.public}
        apart = []
        for group in groups:
            if group[0] & names or group[1] & publics:
                names, publics = names | group[0], publics | group[1]
            else:
                apart.append(group)
        groups = [*apart, (names, publics)]
    return len(groups)


def _signature(line: str) -> tuple[str, bytes, bytes]:
    dash, _, rest = line.partition(" ")
    name, _, packed = rest.partition(" ")
    raw = _unpacked(packed)
    if dash != "—" or not _is_name(name) or len(raw) <= ID_BYTES:
        raise NoteRefused("a signature line is an em dash, a name and base64")
    return name, raw[:ID_BYTES], raw[ID_BYTES:]


def _unpacked(packed: str) -> bytes:
    try:
        raw = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteRefused("what should be base64 is not") from error
    if base64.b64encode(raw).decode() != packed:  # one spelling: a changed character is always seen
        raise NoteRefused("what should be base64 has spare bits")
    return raw


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(char.isspace() for char in name)


def _message(kind: int, name: str, text: str, at: int | None) -> bytes:
    """Return the bytes that are signed (C2SP signed-note, tlog-cosignature). Raises NoteRefused."""
    if kind == LOG_KEY or at is None:
        return text.encode()
    if kind == WITNESS_KEY:
        return f"cosignature/v1\ntime {at}\n{text}".encode()
    head = Checkpoint.parse(text)
    place = struct.pack(">QQ", 0, head.size)
    return SUBTREE_LABEL + _counted(name) + struct.pack(">Q", at) + _counted(head.origin) + place + head.root


def _counted(word: str) -> bytes:
    raw = word.encode()
    if len(raw) > MAX_NAME_BYTES:
        raise NoteRefused("a name is longer than 255 bytes")
    return bytes([len(raw)]) + raw
