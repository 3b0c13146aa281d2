"""The ciphers under which a device may seal its frames, and one way to seal and open a batch that mixes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import cache
from typing import NamedTuple, TypeVar

from devices.protocol import ascon, photon_beetle
from devices.protocol.aead import AeadBackend
from devices.protocol.aes_gcm import AesGcmBackend

Result = TypeVar("Result", bytes, "bytes | None")


class Suite(IntEnum):
    """The second byte of every frame. All have keys and tags of 16 bytes."""

    ASCON_AEAD128 = 1
    AES_128_GCM = 2
    PHOTON_BEETLE = 3

    @property
    def facts(self) -> SuiteFacts:
        """What people should know of it."""
        return SUITES[self]


class SuiteFacts(NamedTuple):
    """name: in configurations. for_measurement: not to be used on patients; off unless a house turns it on."""

    name: str
    label: str
    source: str
    for_measurement: bool = False


SUITES = {
    Suite.ASCON_AEAD128: SuiteFacts("ascon-aead128", "Ascon-AEAD128", "NIST SP 800-232"),
    Suite.AES_128_GCM: SuiteFacts("aes-128-gcm", "AES-128-GCM", "NIST SP 800-38D"),
    Suite.PHOTON_BEETLE: SuiteFacts(
        "photon-beetle-aead128", "PHOTON-Beetle", "finalist of the NIST lightweight project, not standardised", True
    ),
}
SUITE_NAMES = {facts.name: suite for suite, facts in SUITES.items()}


class SuiteCiphers:
    """Seals and opens frames of any suite. A batch of one suite, which is the rule, goes through in one call.

    small: for a gateway, which seals a few frames a second (0.3 ms each in plain Python) and has no memory to spare for
    a compiler or NumPy.
    """

    def __init__(self, *, small: bool = False) -> None:
        self._make: dict[Suite, Callable[[], AeadBackend]] = {
            Suite.ASCON_AEAD128: (lambda: ascon.backend("python")) if small else ascon.best_backend,
            Suite.AES_128_GCM: AesGcmBackend,
            Suite.PHOTON_BEETLE: (lambda: photon_beetle.backend("python")) if small else photon_beetle.best_backend,
        }
        self.of = cache(self._backend)

    def _backend(self, suite: int) -> AeadBackend:
        return self._make[Suite(suite)]()

    def warm(self, suites: Sequence[Suite] = (Suite.ASCON_AEAD128,)) -> None:
        """Do now what the first frame would wait for."""
        for suite in suites:
            self.of(suite).warm()

    def seal_batch(
        self,
        suites: Sequence[int],
        keys: Sequence[bytes],
        nonces: Sequence[bytes],
        ads: Sequence[bytes],
        plaintexts: Sequence[bytes],
    ) -> list[bytes]:
        """Return ciphertext || tag of each."""
        return _each(suites, lambda suite: self.of(suite).seal_batch, (keys, nonces, ads, plaintexts))

    def open_batch(
        self,
        suites: Sequence[int],
        keys: Sequence[bytes],
        nonces: Sequence[bytes],
        ads: Sequence[bytes],
        sealed: Sequence[bytes],
    ) -> list[bytes | None]:
        """Return the plaintext of each, None where the tag does not match."""
        return _each(suites, lambda suite: self.of(suite).open_batch, (keys, nonces, ads, sealed))


Columns = tuple[Sequence[bytes], Sequence[bytes], Sequence[bytes], Sequence[bytes]]


def _each(
    suites: Sequence[int], work_of: Callable[[int], Callable[..., list[Result]]], columns: Columns
) -> list[Result]:
    """Return what each suite's work makes of its own rows, in the order of the rows."""
    present = set(suites)
    if len(present) == 1:
        return work_of(present.pop())(*columns)
    made: dict[int, Result] = {}
    for suite in present:
        rows = [row for row, other in enumerate(suites) if other == suite]
        results = work_of(suite)(*([column[row] for row in rows] for column in columns))
        made.update(zip(rows, results, strict=True))
    return [made[row] for row in range(len(suites))]
