"""The challenge: only the holder of the gateway's key, answering this very challenge, gets in."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import GatewayRefused
from devices.protocol.hello import Challenge, Hello, check_hello, make_hello, signed_bytes

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
NONCE = bytes(range(100, 132))
CHALLENGE: Challenge = {"type": "challenge", "nonce": NONCE.hex(), "server_time": 0.0}


def _hello() -> Hello:
    return make_hello(CHALLENGE, gateway_id=7, software="test", key=KEY)


def test_the_right_answer_is_accepted() -> None:
    check_hello(_hello(), nonce=NONCE, public_key=PUBLIC)


def test_signed_bytes_are_those_of_the_contract() -> None:
    assert signed_bytes(NONCE, 7) == b"medtwin/gateway-hello/1" + NONCE + b"\0\0\0\x07"


def test_answer_to_another_challenge_is_refused() -> None:
    with pytest.raises(GatewayRefused):
        check_hello(_hello(), nonce=bytes(32), public_key=PUBLIC)


def test_answer_of_another_key_is_refused() -> None:
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises(GatewayRefused):
        check_hello(_hello(), nonce=NONCE, public_key=other)


@pytest.mark.parametrize(
    "change",
    [{"gateway": 8}, {"gateway": -1}, {"gateway": "7"}, {"gateway": 2**32}, {"signature": "zz"}, {"signature": None}],
)
def test_altered_answer_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(GatewayRefused):
        check_hello({**_hello(), **change}, nonce=NONCE, public_key=PUBLIC)  # type: ignore[typeddict-item]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["type", "gateway", "software", "signature"]), json_values))
def test_no_answer_crashes_the_check(hello: dict[str, object]) -> None:
    with pytest.raises(GatewayRefused):
        check_hello(hello, nonce=NONCE, public_key=PUBLIC)  # type: ignore[arg-type]


def test_challenge_that_is_not_hexadecimal_is_not_answered() -> None:
    with pytest.raises(GatewayRefused):
        make_hello({**CHALLENGE, "nonce": "zz"}, gateway_id=7, software="test", key=KEY)


def test_answer_without_a_signature_is_refused() -> None:
    with pytest.raises(GatewayRefused):
        check_hello({"type": "hello", "gateway": 7}, nonce=NONCE, public_key=PUBLIC)  # type: ignore[typeddict-item]
