"""Small secrets at rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.errors import SecretUnreadable
from compliance.secretbox import SecretBox

BOX = SecretBox("field key", "device-key")


@given(st.binary(max_size=64))
def test_what_was_sealed_opens_again(plaintext: bytes) -> None:
    assert BOX.open(BOX.seal(plaintext)) == plaintext


@given(st.binary(min_size=1, max_size=32), st.data())
def test_any_flipped_bit_is_refused(plaintext: bytes, data: st.DataObject) -> None:
    sealed = bytearray(BOX.seal(plaintext))
    position = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[position // 8] ^= 1 << (position % 8)
    with pytest.raises(SecretUnreadable):
        BOX.open(bytes(sealed))


@pytest.mark.parametrize("other", [SecretBox("field key", "totp-seed"), SecretBox("another key", "device-key")])
def test_another_purpose_or_key_cannot_open_it(other: SecretBox) -> None:
    with pytest.raises(SecretUnreadable):
        other.open(BOX.seal(b"0123456789abcdef"))


@pytest.mark.parametrize("garbage", [b"", b"short", bytes(12)])
def test_truncated_bytes_are_refused(garbage: bytes) -> None:
    with pytest.raises(SecretUnreadable):
        BOX.open(garbage)
