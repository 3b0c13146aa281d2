"""Framing: a stream is cut into the same messages however it arrives, and a broken one is refused."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.hl7 import FrameBroken, Unframer, frame

messages = st.lists(st.binary(max_size=40).filter(lambda data: not {0x0B, 0x1C} & set(data)), max_size=4)


@given(messages, st.lists(st.integers(0, 200), max_size=8))
def test_a_stream_split_anywhere_gives_the_same_messages(sent: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(frame(message) for message in sent)
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    unframer = Unframer()
    found = [m for a, b in pairwise(places) for m in unframer.feed(stream[a:b])]
    assert found == sent
    assert not unframer.inside


@given(st.binary(min_size=1, max_size=60))
def test_garbage_gives_messages_or_a_named_error(data: bytes) -> None:
    try:
        found = Unframer().feed(data)
    except FrameBroken:
        return
    assert all(b"\x0b" not in message and b"\x1c" not in message for message in found)


@pytest.mark.parametrize("stream", [b"MSH|", b"\x0ba\x0bb\x1c\r", b"\x0ba\x1cx", b"\x0ba\x1c\rb", b"\x1c\r"], ids=repr)
def test_broken_stream_is_refused(stream: bytes) -> None:
    with pytest.raises(FrameBroken):
        Unframer().feed(stream)


def test_endless_block_is_cut_off_before_it_fills_the_memory() -> None:
    unframer = Unframer(largest=1000)
    unframer.feed(b"\x0b" + b"x" * 900)
    with pytest.raises(FrameBroken, match="larger"):
        unframer.feed(b"x" * 200)


def test_missing_end_of_block_is_seen() -> None:
    unframer = Unframer()
    assert unframer.feed(b"\x0bMSH|") == []
    assert unframer.inside


def test_message_that_holds_a_block_character_is_not_framed() -> None:
    with pytest.raises(FrameBroken):
        frame(b"a\x1cb")
