"""The frame codec: what goes in comes out, and whatever else comes in is refused by name."""

from __future__ import annotations

import contextlib
import struct
from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import FrameError, FrameMalformed, FrameOversized, FrameTruncated, ReadingNotFinite
from devices.protocol.decoding import decode_readings, decode_readings_many, decode_waveform
from devices.protocol.frames import (
    HEADER_BYTES,
    LIMIT_63,
    MAX_FRAME_BYTES,
    MAX_READINGS,
    MAX_SAMPLES,
    TAG_BYTES,
    FrameKind,
    Header,
    deflate,
    encode_readings,
    encode_waveform,
    inflate,
    join_frames,
    parse_header,
    split_frames,
)
from devices.protocol.suites import Suite

u32 = st.integers(0, 2**32 - 1)
counters = st.integers(1, LIMIT_63 - 1)
f32 = st.floats(width=32, allow_nan=False)
rows = st.lists(st.tuples(u32, st.integers(-10_000_000, 10_000_000), f32), min_size=1, max_size=30)
headers = st.builds(
    Header, st.sampled_from(FrameKind), u32, u32, counters, st.sampled_from(Suite), st.just(False), st.just(1)
)
packed_headers = headers.map(lambda header: header._replace(kind=FrameKind.READINGS, deflated=True))
BASE_T = 1_790_000_000.25


def _payload(seq: int, readings: list[tuple[int, int, float]]) -> bytes:
    times = [BASE_T + (dt - readings[0][1]) / 1000 for _, dt, _ in readings]
    return encode_readings(seq, [r[0] for r in readings], times, [r[2] for r in readings])


def _wave(samples: list[int], period_s: float = 0.004) -> bytes:
    return encode_waveform(5, 131330, BASE_T, period_s, 0.5, array("h", samples))


@given(headers | packed_headers)
def test_header_comes_back(header: Header) -> None:
    assert parse_header(header.raw + bytes(TAG_BYTES)) == header
    assert header.raw[4:] == header.nonce
    assert len(header.raw) == HEADER_BYTES


@given(st.integers(0, LIMIT_63 - 31), rows)
def test_readings_come_back(seq: int, readings: list[tuple[int, int, float]]) -> None:
    decoded = decode_readings(9, _payload(seq, readings))
    assert decoded["device"].tolist() == [9] * len(readings)
    assert decoded["seq"].tolist() == list(range(seq, seq + len(readings)))
    assert decoded["metric"].tolist() == [r[0] for r in readings]
    assert decoded["value"].tolist() == [r[2] for r in readings]
    expected = [BASE_T + (r[1] - readings[0][1]) / 1000 for r in readings]
    np.testing.assert_allclose(decoded["t"], expected, rtol=0, atol=1e-6)


@given(st.lists(st.tuples(u32, st.integers(0, LIMIT_63 - 31), rows), min_size=1, max_size=8))
def test_decoding_many_equals_decoding_each(parts: list[tuple[int, int, list[tuple[int, int, float]]]]) -> None:
    payloads = [_payload(seq, readings) for _, seq, readings in parts]
    many = decode_readings_many([device for device, _, _ in parts], payloads)
    each = [decode_readings(device, payload) for (device, _, _), payload in zip(parts, payloads, strict=True)]
    assert (many.readings == np.concatenate(each)).all()
    assert many.frame_of.tolist() == [index for index, found in enumerate(each) for _ in found]


def test_one_bad_payload_among_many_is_refused_alone() -> None:
    good = encode_readings(3, [147842], [BASE_T], [72.0])
    decoded = decode_readings_many([1, 2, 3], [good, good[:-1], good])
    assert decoded.readings["device"].tolist() == [1, 3]
    assert decoded.frame_of.tolist() == [0, 2]
    assert isinstance(decoded.refused[1], FrameTruncated)


@given(st.integers(0, LIMIT_63 - 31), rows)
def test_a_deflated_payload_comes_back(seq: int, readings: list[tuple[int, int, float]]) -> None:
    payload = _payload(seq, readings)
    assert inflate(deflate(payload)) == payload


@given(rows, st.data())
def test_a_deflated_payload_that_was_cut_or_goes_on_is_refused(
    readings: list[tuple[int, int, float]], data: st.DataObject
) -> None:
    packed = deflate(_payload(1, readings))
    for wrong in (packed[: data.draw(st.integers(0, len(packed) - 1))], packed + data.draw(st.binary(min_size=1))):
        with pytest.raises(FrameMalformed):
            inflate(wrong)


def test_what_unpacks_to_more_than_a_frame_holds_is_refused_before_it_is_unpacked() -> None:
    bomb = deflate(bytes(64 * 1024 * 1024))
    with pytest.raises(FrameOversized):
        inflate(bomb)


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_unpacking(noise: bytes) -> None:
    with contextlib.suppress(FrameMalformed, FrameOversized):
        inflate(noise)


def test_a_waveform_is_never_deflated() -> None:
    # What proves it later is the frame made again from its samples: two versions of a packer may differ.
    with pytest.raises(FrameMalformed):
        parse_header(Header(FrameKind.WAVEFORM, 1, 1, 1, deflated=True).raw + bytes(TAG_BYTES))


def test_decoding_nothing_gives_nothing() -> None:
    assert len(decode_readings_many([], []).readings) == 0


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=400), st.floats(0.0001, 10))
def test_waveform_comes_back(samples: list[int], period_s: float) -> None:
    block = decode_waveform(7, _wave(samples, period_s))
    assert (block.device, block.metric, block.seq, block.t0, block.scale) == (7, 131330, 5, BASE_T, 0.5)
    assert block.period_s == pytest.approx(period_s, abs=5e-7)
    assert block.samples.dtype == np.int16
    assert block.samples.tolist() == samples


def test_a_waveform_heard_by_a_gateway_and_one_of_a_plant_are_the_same_bytes() -> None:
    described = (5, 131330, BASE_T, 0.004, 0.5)
    heard, made = array("h", [-32768, 0, 1, 32767]), np.array([-32768, 0, 1, 32767], np.int16)
    assert encode_waveform(*described, heard) == encode_waveform(*described, made)


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_joined_frames_come_apart(frames: list[bytes]) -> None:
    assert split_frames(join_frames(frames)) == frames


@given(st.binary(max_size=400))
def test_no_bytes_crash_a_decoder(noise: bytes) -> None:
    for decoder in (
        parse_header,
        split_frames,
        lambda raw: decode_readings(1, raw),
        lambda raw: decode_waveform(1, raw),
    ):
        try:
            decoder(noise)
        except (FrameError, ReadingNotFinite):
            continue


@given(st.data(), rows)
def test_any_truncation_is_refused(data: st.DataObject, readings: list[tuple[int, int, float]]) -> None:
    payload = _payload(1, readings)
    cut = data.draw(st.integers(0, len(payload) - 1))
    with pytest.raises(FrameTruncated):
        decode_readings(1, payload[:cut])


def test_bytes_after_the_last_reading_are_refused() -> None:
    with pytest.raises(FrameMalformed):
        decode_readings(1, encode_readings(1, [147842], [BASE_T], [72.0]) + b"\0")


@pytest.mark.parametrize("position", [0, 1, 2, 3])
def test_unknown_version_cipher_kind_or_flag_is_refused(position: int) -> None:
    frame = bytearray(Header(FrameKind.READINGS, 1, 1, 1).raw + bytes(TAG_BYTES))
    frame[position] = 9
    with pytest.raises(FrameMalformed):
        parse_header(bytes(frame))


@pytest.mark.parametrize("counter", [0, LIMIT_63, 2**64 - 1])
def test_counter_outside_its_range_is_refused(counter: int) -> None:
    with pytest.raises(FrameMalformed):
        parse_header(Header(FrameKind.READINGS, 1, 1, counter).raw + bytes(TAG_BYTES))


def test_frame_over_the_limit_is_refused() -> None:
    raw = Header(FrameKind.READINGS, 1, 1, 1).raw
    parse_header(raw + bytes(MAX_FRAME_BYTES - HEADER_BYTES))
    with pytest.raises(FrameOversized):
        parse_header(raw + bytes(MAX_FRAME_BYTES - HEADER_BYTES + 1))
    with pytest.raises(FrameTruncated):
        parse_header(raw + bytes(TAG_BYTES - 1))


def test_the_largest_payloads_fill_a_frame_and_no_more() -> None:
    most = encode_readings(0, [1] * MAX_READINGS, [0.0] * MAX_READINGS, [0.0] * MAX_READINGS)
    assert MAX_FRAME_BYTES - 12 < len(most) + HEADER_BYTES + TAG_BYTES <= MAX_FRAME_BYTES
    assert len(_wave([0] * MAX_SAMPLES)) + HEADER_BYTES + TAG_BYTES == MAX_FRAME_BYTES
    with pytest.raises(FrameOversized):
        encode_readings(0, [1] * (MAX_READINGS + 1), [0.0] * (MAX_READINGS + 1), [0.0] * (MAX_READINGS + 1))
    with pytest.raises(FrameOversized):
        _wave([0] * (MAX_SAMPLES + 1))


@pytest.mark.parametrize("seq", [-1, LIMIT_63])
def test_sequence_outside_its_range_is_refused(seq: int) -> None:
    with pytest.raises(FrameMalformed):
        encode_readings(seq, [1], [0.0], [0.0])
    with pytest.raises(FrameMalformed):
        decode_readings(1, struct.pack(">QdH", LIMIT_63, 0.0, 1) + bytes(12))


@pytest.mark.parametrize("times", [[0.0, 2_200_000.0], [float("inf")], [float("nan")]])
def test_times_that_do_not_fit_are_refused(times: list[float]) -> None:
    with pytest.raises(FrameMalformed):
        encode_readings(1, [1] * len(times), times, [0.0] * len(times))


def test_unequal_columns_and_empty_frames_are_refused() -> None:
    with pytest.raises(FrameMalformed):
        encode_readings(1, [1, 2], [0.0], [0.0])
    with pytest.raises(FrameMalformed):
        encode_readings(1, [], [], [])
    with pytest.raises(FrameMalformed):
        decode_readings(1, struct.pack(">QdH", 1, 0.0, 0))


def test_times_and_scales_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ReadingNotFinite):
        decode_readings(1, struct.pack(">QdH", 1, float("nan"), 1) + bytes(12))
    for t0, scale in ((float("inf"), 1.0), (0.0, float("nan"))):
        with pytest.raises(ReadingNotFinite):
            decode_waveform(1, struct.pack(">QdIIfH", 1, t0, 131330, 4000, scale, 1) + bytes(2))


def test_a_value_that_float32_cannot_hold_arrives_infinite() -> None:
    assert np.isinf(decode_readings(1, encode_readings(1, [1], [0.0], [1e300]))["value"][0])


def test_waveform_without_a_period_is_refused() -> None:
    with pytest.raises(FrameMalformed):
        decode_waveform(1, struct.pack(">QdIIfH", 1, 0.0, 131330, 0, 1.0, 1) + bytes(2))
    with pytest.raises(FrameMalformed):
        _wave([1], period_s=0.0)
