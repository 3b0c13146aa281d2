from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import FrameMalformed
from devices.protocol.hello import Ack, Hello
from devices.protocol.messages import decode_message, message_type

DEEP = b"[" * 100_000


def test_message_of_its_type_is_returned() -> None:
    text = b'{"type": "ack", "frames": [[7, 42]], "later": {"x": 1}}'
    assert decode_message(text, Ack) == {"type": "ack", "frames": [(7, 42)]}
    assert message_type(text) == "ack"
    assert message_type("{}") == ""


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b'{"type": 1}', DEEP, b'{"x": ' + DEEP, b'{"type": "\xff"}', '{"type": "\ud800"}'],
    ids=["empty", "cut", "list", "number", "deep", "deep in a skipped field", "no UTF-8", "surrogate"],
)
def test_everything_else_is_refused_by_name(data: bytes | str) -> None:
    with pytest.raises(FrameMalformed):
        decode_message(data, Hello)
    with pytest.raises(FrameMalformed):
        message_type(data)


@given(st.binary(max_size=200) | st.text(st.characters(exclude_categories=()), max_size=200))
def test_no_input_raises_anything_else(data: bytes | str) -> None:
    with contextlib.suppress(FrameMalformed):
        message_type(data)
