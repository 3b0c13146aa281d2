"""When the gateway heard what a frame brings: what was written is read, and what does not add up is refused."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import FrameError, FrameMalformed, FrameTruncated, ReadingError, ReadingNotFinite
from devices.protocol.frames import HEARD_VERSION, FrameKind, Header, parse_header
from devices.protocol.heard import MOST_RUNS, Run, check_counts, encode_heard, split_heard

BASE = 1_790_000_000.0
runs = st.lists(
    st.builds(Run, st.integers(1, 2**16 - 1), st.floats(0.0, 2e6).map(lambda late: BASE + late)),
    min_size=1,
    max_size=MOST_RUNS,
)


@given(runs, st.binary(min_size=1, max_size=40))
def test_what_was_written_in_front_is_read_and_the_payload_is_left(said: list[Run], payload: bytes) -> None:
    found, rest = split_heard(encode_heard(said) + payload)
    assert [run.readings for run in found] == [run.readings for run in said]
    assert [run.at for run in found] == pytest.approx([run.at for run in said], abs=0.0006, rel=0)
    assert (found[0].at, rest) == (said[0].at, payload)
    assert encode_heard(found) + rest == encode_heard(said) + payload, "and stays the same from then on"


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_by_name(raw: bytes) -> None:
    try:
        said, rest = split_heard(raw)
    except (FrameError, ReadingError):
        return
    assert len(raw) - len(rest) == 11 + 6 * (len(said) - 1)


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", FrameTruncated),
        (b"\x01short", FrameTruncated),
        (struct.pack(">BdH", 0, 0.0, 1) + b"payload", FrameMalformed),
        (struct.pack(">BdH", 1, 0.0, 1), FrameTruncated),
        (struct.pack(">BdH", 2, 0.0, 1) + b"short", FrameTruncated),
        (struct.pack(">BdH", 1, 0.0, 0) + b"payload", FrameMalformed),
        (struct.pack(">BdHiH", 2, 0.0, 1, 5, 0) + b"payload", FrameMalformed),
        (struct.pack(">BdH", 1, math.nan, 1) + b"payload", ReadingNotFinite),
        (struct.pack(">BdH", 1, 1.79e12, 1) + b"payload", FrameMalformed),  # milliseconds by mistake
        (struct.pack(">BdH", 1, -1e300, 1) + b"payload", FrameMalformed),
    ],
)
def test_what_does_not_add_up_is_refused(raw: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        split_heard(raw)


@pytest.mark.parametrize(
    "said",
    [
        [],
        [Run(0, 1.0)],
        [Run(2**16, 1.0)],
        [Run(1, math.inf)],
        [Run(1, 1.0), Run(1, math.nan)],
        [Run(1, 1.0), Run(1, 3e6)],
        [Run(1, 1.0)] * (MOST_RUNS + 1),
    ],
)
def test_what_nobody_could_read_is_not_written(said: list[Run]) -> None:
    with pytest.raises(FrameMalformed):
        encode_heard(said)


def test_the_runs_are_of_just_the_readings_of_the_frame() -> None:
    check_counts([Run(2, 0.0), Run(1, 1.0)], 3)
    with pytest.raises(FrameMalformed):
        check_counts([Run(2, 0.0), Run(1, 1.0)], 4)


def test_measurements_may_say_when_they_were_heard_and_facts_may_not() -> None:
    for kind in (FrameKind.READINGS, FrameKind.WAVEFORM):
        header = Header(kind, 7, 1, 42, version=HEARD_VERSION)
        assert parse_header(header.raw + bytes(16)) == header
    for header in (
        Header(FrameKind.FACT, 7, 1, 42, version=HEARD_VERSION),
        Header(FrameKind.READINGS, 7, 1, 42, version=3),
    ):
        with pytest.raises(FrameMalformed):
            parse_header(header.raw + bytes(16))
