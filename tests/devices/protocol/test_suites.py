"""Ciphers of frames: published answers, forgeries, and batches that mix them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.errors import FrameForged
from devices.protocol import photon_beetle
from devices.protocol.aead import AeadBackend
from devices.protocol.aes_gcm import AesGcmBackend
from devices.protocol.suites import SUITE_NAMES, Suite, SuiteCiphers

PHOTON = [photon_beetle.backend("python"), photon_beetle.backend("numba")]
EACH = {"photon-python": PHOTON[0], "photon-numba": PHOTON[1], "aes-gcm": AesGcmBackend()}
each = pytest.mark.parametrize("aead", EACH.values(), ids=EACH.keys())
SERVER, GATEWAY = SuiteCiphers(), SuiteCiphers(small=True)
block16 = st.binary(min_size=16, max_size=16)
rows = st.tuples(st.sampled_from(Suite), block16, block16, st.binary(max_size=50), st.binary(max_size=100))


@pytest.mark.parametrize("aead", PHOTON, ids=lambda one: one.name)
def test_photon_beetle_gives_the_1089_published_answers(aead: AeadBackend, data_dir: Path) -> None:
    text = (data_dir / "vectors" / "photon_beetle_aead128_rate128_kat.txt").read_text()
    records = [dict(line.split(" =", 1) for line in one.splitlines()) for one in text.strip().split("\n\n")]
    columns = [[bytes.fromhex(one[name]) for one in records] for name in ("Key", "Nonce", "AD", "PT", "CT")]
    assert len(records) == 1089
    assert aead.seal_batch(*columns[:4]) == columns[4]
    assert aead.open_batch(*columns[:3], columns[4]) == columns[3]


def test_aes_gcm_gives_the_answer_of_its_specification() -> None:
    # McGrew and Viega, "The Galois/Counter Mode of Operation (GCM)", appendix B, test case 4.
    key, nonce = bytes.fromhex("feffe9928665731c6d6a8f9467308308"), bytes.fromhex("cafebabefacedbaddecaf888")
    text = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    ad = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    sealed = bytes.fromhex(
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
        "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47"
    )
    assert AesGcmBackend().seal(key, b"dev!" + nonce, ad, text) == sealed


@each
@settings(deadline=None, max_examples=60)
@given(frame=st.tuples(block16, block16, st.binary(max_size=40), st.binary(max_size=70)), data=st.data())
def test_one_flipped_bit_is_refused(aead: AeadBackend, frame: tuple[bytes, ...], data: st.DataObject) -> None:
    key, nonce, ad, text = frame
    sealed = bytearray(aead.seal(key, nonce, ad, text))
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(FrameForged):
        aead.open(key, nonce, ad, bytes(sealed))


@each
def test_what_is_shorter_than_a_tag_is_refused(aead: AeadBackend) -> None:
    for length in range(16):
        assert aead.open_batch([bytes(16)], [bytes(16)], [b""], [bytes(length)]) == [None]


@settings(deadline=None, max_examples=60)
@given(st.lists(rows, max_size=12))
def test_a_batch_that_mixes_ciphers_keeps_its_order_on_server_and_gateway(batch: list[tuple[Suite, bytes]]) -> None:
    suites, *columns = [list(column) for column in zip(*batch, strict=True)] or [[], [], [], [], []]
    sealed = SERVER.seal_batch(suites, *columns)
    assert GATEWAY.seal_batch(suites, *columns) == sealed
    assert SERVER.open_batch(suites, *columns[:3], sealed) == columns[3]
    assert GATEWAY.open_batch(suites, *columns[:3], sealed) == columns[3]


def test_what_one_cipher_sealed_no_other_opens() -> None:
    key, nonce, ad, text = bytes(range(16)), bytes(16), b"head", b"seventy-two beats"
    for one in Suite:
        sealed = SERVER.of(one).seal(key, nonce, ad, text)
        for other in set(Suite) - {one}:
            assert SERVER.of(other).open_batch([key], [nonce], [ad], [sealed]) == [None]


def test_only_ciphers_that_no_standard_recommends_are_for_measurement() -> None:
    assert {suite for suite in Suite if suite.facts.for_measurement} == {Suite.PHOTON_BEETLE}
    assert SUITE_NAMES["photon-beetle-aead128"] is Suite.PHOTON_BEETLE
