"""Who signs the log, and whose cosignatures count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from compliance.log.notes import LOG_KEY, NoteRefused, Signer, Verifier


@dataclass(frozen=True, slots=True)
class WitnessAddress:
    """Where a witness listens, and the keys by which its cosignatures are known; the first names it."""

    url: str
    verifiers: tuple[Verifier, ...]

    @property
    def verifier(self) -> Verifier:
        """The key that names it."""
        return self.verifiers[0]


def log_signer() -> Signer:
    """Return the log's own signer. Its key is made from the secret LOG_KEY, which is random text."""
    return _signer(settings.LOG_ORIGIN, settings.LOG_KEY)


@cache
def _signer(origin: str, secret: str) -> Signer:
    seed = sha256(b"medtwin/log-key/1\n" + secret.encode()).digest()
    return Signer(origin, LOG_KEY, Ed25519PrivateKey.from_private_bytes(seed))


def witnesses() -> list[WitnessAddress]:
    """Return the witnesses that the settings name, or in embedded mode those that run beside the house."""
    return _named(settings.LOG_WITNESSES) or list(_beside(settings.LOG_WITNESS_FOLDER))


def public_keys() -> dict[str, Any]:
    """Return the keys of the log and of its witnesses as files of proofs name them."""
    cosigning = [key.encoded() for address in witnesses() for key in address.verifiers]
    return {"log": log_signer().verifier.encoded(), "witnesses": cosigning}


def _named(words: Iterable[str]) -> list[WitnessAddress]:
    """Read `url=name+id+key`; an address that stands there twice has two keys. Raises NoteRefused."""
    keys: dict[str, tuple[Verifier, ...]] = {}
    for word in words:
        url, _, key = word.partition("=")
        keys[url] = (*keys.get(url, ()), Verifier.decode(key))
    return [WitnessAddress(url, found) for url, found in keys.items()]


def _beside(folder: Path) -> Iterator[WitnessAddress]:
    for place in sorted(folder.glob("*/address")):
        try:
            words = (place.parent / "key.pub").read_text().split()
            yield WitnessAddress(place.read_text().strip(), tuple(Verifier.decode(word) for word in words))
        except (OSError, NoteRefused):
            continue  # it is just being made, and is asked at the next turn
