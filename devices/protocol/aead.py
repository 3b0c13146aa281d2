"""What every cipher of the frames offers: a 16-byte key, a 16-byte nonce, a 16-byte tag, many frames in one call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from devices.errors import FrameForged

KEY_BYTES = 16
NONCE_BYTES = 16
TAG_BYTES = 16


class AeadBackend(Protocol):
    """Seals and opens under a 16-byte key and a 16-byte nonce. Sealed bytes are ciphertext || 16-byte tag.

    The batch forms take one key, nonce, associated data and text for each frame, all of any lengths.
    All raise ValueError for a key or nonce of another length.
    """

    name: str

    def seal(self, key: bytes, nonce: bytes, ad: bytes, plaintext: bytes) -> bytes:
        """Return ciphertext || tag."""
        ...

    def open(self, key: bytes, nonce: bytes, ad: bytes, sealed: bytes) -> bytes:
        """Return the plaintext. Raises FrameForged when the tag does not match; nothing of the text leaves then."""
        ...

    def seal_batch(
        self, keys: Sequence[bytes], nonces: Sequence[bytes], ads: Sequence[bytes], plaintexts: Sequence[bytes]
    ) -> list[bytes]:
        """Return ciphertext || tag of each."""
        ...

    def open_batch(
        self, keys: Sequence[bytes], nonces: Sequence[bytes], ads: Sequence[bytes], sealed: Sequence[bytes]
    ) -> list[bytes | None]:
        """Return the plaintext of each, None where the tag does not match."""
        ...

    def warm(self) -> None:
        """Do now what the first call would do (compile), so that no reading waits for it."""
        ...


class BatchBackend(ABC):
    """The single forms by way of the batch forms, which a subclass gives."""

    name: str

    @abstractmethod
    def seal_batch(
        self, keys: Sequence[bytes], nonces: Sequence[bytes], ads: Sequence[bytes], plaintexts: Sequence[bytes]
    ) -> list[bytes]:
        """Return ciphertext || tag of each."""

    @abstractmethod
    def open_batch(
        self, keys: Sequence[bytes], nonces: Sequence[bytes], ads: Sequence[bytes], sealed: Sequence[bytes]
    ) -> list[bytes | None]:
        """Return the plaintext of each, None where the tag does not match."""

    def seal(self, key: bytes, nonce: bytes, ad: bytes, plaintext: bytes) -> bytes:
        """Return ciphertext || tag."""
        return self.seal_batch([key], [nonce], [ad], [plaintext])[0]

    def open(self, key: bytes, nonce: bytes, ad: bytes, sealed: bytes) -> bytes:
        """Return the plaintext. Raises FrameForged when the tag does not match."""
        plaintext = self.open_batch([key], [nonce], [ad], [sealed])[0]
        if plaintext is None:
            raise FrameForged
        return plaintext

    def warm(self) -> None:
        """Seal and open one frame."""
        key, nonce = bytes(KEY_BYTES), bytes(NONCE_BYTES)
        self.open(key, nonce, b"", self.seal(key, nonce, b"", b"warm"))


def check_sizes(keys: Sequence[bytes], nonces: Sequence[bytes], *texts: Sequence[bytes]) -> None:
    """Raise ValueError unless every key and nonce has 16 bytes and all columns are equally long."""
    if set(map(len, keys)) - {KEY_BYTES} or set(map(len, nonces)) - {NONCE_BYTES}:
        raise ValueError("a frame is sealed under a key of 16 bytes and a nonce of 16 bytes")
    if any(len(column) != len(keys) for column in (nonces, *texts)):
        raise ValueError("a batch needs one key, nonce, associated data and text for each frame")
