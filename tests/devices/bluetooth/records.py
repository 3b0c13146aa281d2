"""Strategies for every record that a codec knows, with its encoder and decoder."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import strategies as st

from devices.bluetooth.codec import (
    blood_pressure,
    cgm,
    cgm_control,
    device,
    heart_rate,
    insulin,
    insulin_control,
    insulin_history,
    log,
    pulse_oximeter,
    racp,
    thermometer,
)
from devices.bluetooth.codec.medical_float import Special, decode_float, decode_sfloat
from devices.bluetooth.codec.moments import SUMMER, ZONES, LocalMoment

u8, u16, u24, u32 = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 24, 32))
sfloat = st.builds(
    lambda m, e: decode_sfloat((e & 0xF) << 12 | m & 0xFFF), st.integers(-2045, 2045), st.integers(-8, 7)
) | st.sampled_from(Special)
float32 = st.builds(
    lambda m, e: decode_float((e & 0xFF) << 24 | m & 0xFFFFFF), st.integers(-8_388_605, 8_388_605), st.integers(-9, 9)
) | st.sampled_from(Special)
ieee32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
# 1970 to 2199, whole seconds; a zone may move the date by two days.
second = st.integers(200_000, 7_258_118_400).map(float)
moment = st.builds(LocalMoment, second, st.none() | st.sampled_from(ZONES), st.none() | st.sampled_from(sorted(SUMMER)))
millisecond = st.integers(0, 4_102_444_800_000).map(lambda ms: ms / 1000)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


class Codec(NamedTuple):
    """One characteristic: what it may hold and both directions. crc: whether any altered bit must be refused."""

    name: str
    records: st.SearchStrategy[Any]
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]
    crc: bool = False


def _of(name: str, cls: Any, *fields: st.SearchStrategy[Any], crc: bool = False, **named: Any) -> Codec:
    return Codec(name, st.builds(cls, *fields, **named), lambda record: record.encode(), cls.decode, crc)


def _checked(name: str, cls: Any, *fields: st.SearchStrategy[Any], crc: bool) -> Codec:
    encode, decode = (lambda record: record.encode(crc=crc)), functools.partial(cls.decode, crc=crc)
    return Codec(f"{name}, {'with' if crc else 'without'} CRC", st.builds(cls, *fields), encode, decode, crc)


oxygenation = st.builds(pulse_oximeter.Oxygenation, sfloat, sfloat)
attention, annunciation = st.sampled_from(insulin.Attention), st.sampled_from(insulin.Annunciation)
events = st.one_of(
    st.builds(insulin_history.ReferenceTime, moment, st.sampled_from(insulin_history.Reason)),
    st.builds(insulin_history.BolusDelivered, u16, st.sampled_from(insulin_history.BolusKind), sfloat, sfloat, u16),
    st.builds(insulin_history.BasalRateChanged, sfloat, sfloat, maybe(st.sampled_from(insulin_history.Context))),
    st.builds(insulin_history.ReservoirChanged, sfloat),
    st.builds(insulin_history.AnnunciationChanged, u16, annunciation, attention, st.lists(u16, max_size=2).map(tuple)),
    st.builds(
        insulin_history.OtherEvent,
        u16.filter(lambda number: number not in list(insulin_history.EventType)),
        st.binary(max_size=12),
    ),
)
racp_requests = st.one_of(
    st.builds(
        racp.RecordRequest,
        st.sampled_from([racp.Op.REPORT, racp.Op.COUNT, racp.Op.DELETE, racp.Op.ABORT]),
        st.sampled_from([racp.Operator.NULL, racp.Operator.ALL, racp.Operator.FIRST, racp.Operator.LAST]),
    ),
    st.builds(
        racp.RecordRequest, st.just(racp.Op.REPORT), st.sampled_from([racp.Operator.FROM, racp.Operator.UP_TO]),
        st.tuples(u16),
    ),
    st.builds(
        racp.RecordRequest, st.just(racp.Op.COUNT), st.just(racp.Operator.RANGE),
        st.tuples(u16, u16).map(lambda pair: tuple(sorted(pair))),
    ),
)  # fmt: skip
racp_answers = st.builds(racp.RecordAnswer, count=u16) | st.builds(
    racp.RecordAnswer, st.sampled_from(racp.Op), st.sampled_from(racp.Outcome)
)
history_requests = st.one_of(
    st.builds(insulin_control.HistoryRequest, st.sampled_from(insulin_control.RecordOp)),
    st.builds(
        insulin_control.HistoryRequest, st.just(insulin_control.RecordOp.REPORT),
        st.sampled_from([insulin_control.RecordOperator.FROM, insulin_control.RecordOperator.UP_TO]),
        st.sampled_from(insulin_control.RecordFilter), st.tuples(u32),
    ),
    st.builds(
        insulin_control.HistoryRequest, st.just(insulin_control.RecordOp.REPORT),
        st.just(insulin_control.RecordOperator.LAST), st.just(insulin_control.RecordFilter.REFERENCE_TIMES),
    ),
)  # fmt: skip
history_answers = st.builds(insulin_control.HistoryAnswer, count=u32) | st.builds(
    insulin_control.HistoryAnswer,
    st.sampled_from(insulin_control.RecordOp),
    st.sampled_from(insulin_control.RecordResult),
)
replies = st.one_of(
    st.builds(insulin_control.ReaderAnswer, u16, st.sampled_from(insulin_control.Result)),
    st.builds(insulin_control.BasalDelivery, u8, sfloat, maybe(sfloat)),
    st.builds(insulin_control.Delivered, float32, float32),
)

CODECS = [
    _of("heart rate", heart_rate.HeartRateMeasurement, u16, maybe(st.booleans()), maybe(u16),
        st.lists(u16, max_size=5).map(tuple)),
    _of("continuous oximetry", pulse_oximeter.ContinuousMeasurement, oxygenation, maybe(oxygenation),
        maybe(oxygenation), maybe(u16), maybe(u24), maybe(sfloat)),
    _of("spot-check oximetry", pulse_oximeter.SpotCheckMeasurement, oxygenation, maybe(second), maybe(u16),
        maybe(u24), maybe(sfloat), st.booleans()),
    _of("temperature", thermometer.TemperatureMeasurement, float32, maybe(second),
        maybe(st.sampled_from(thermometer.SITES)), st.booleans()),
    _of("blood pressure", blood_pressure.BloodPressureMeasurement, sfloat, sfloat, sfloat, maybe(second),
        maybe(sfloat), maybe(u8), maybe(u16), st.booleans()),
    Codec("battery", st.integers(0, 100), device.encode_battery_level, device.decode_battery_level),
    _of("system id", device.SystemId, st.integers(0, (1 << 40) - 1), u24),
    *(_checked("glucose", cgm.GlucoseMeasurement, sfloat, u16, maybe(u8), maybe(u8), maybe(u8), maybe(sfloat),
               maybe(sfloat), crc=crc) for crc in (True, False)),
    _of("glucose feature", cgm.GlucoseFeature, u24.map(cgm.Feature), u8),
    *(_checked("glucose status", cgm.GlucoseStatus, u16, u24, crc=crc) for crc in (True, False)),
    *(Codec("session start", moment, functools.partial(cgm.encode_session_start, crc=crc),
            functools.partial(cgm.decode_session_start, crc=crc), crc) for crc in (True, False)),
    *(Codec("session run", u16, functools.partial(cgm.encode_session_run, crc=crc),
            functools.partial(cgm.decode_session_run, crc=crc), crc) for crc in (True, False)),
    *(_checked("glucose command", cgm_control.GlucoseCommand, u8, st.binary(max_size=6), crc=crc)
      for crc in (True, False)),
    *(Codec("glucose reply", st.builds(cgm_control.GlucoseReply, interval_min=u8)
            | st.builds(cgm_control.GlucoseReply, u8, st.sampled_from(cgm_control.GlucoseOutcome)),
            lambda reply, crc=crc: reply.encode(crc=crc),
            functools.partial(cgm_control.GlucoseReply.decode, crc=crc), crc) for crc in (True, False)),
    Codec("record request", racp_requests, lambda request: request.encode(2),
          lambda data: racp.RecordRequest.decode(data, 2)),
    Codec("record answer", racp_answers, lambda answer: answer.encode(), racp.RecordAnswer.decode),
    _of("insulin features", insulin.InsulinFeatures, sfloat, u24, crc=True),
    _of("insulin status", insulin.InsulinStatus, st.sampled_from(insulin.Therapy),
        st.sampled_from(insulin.Operation), sfloat, st.booleans()),
    Codec("insulin changed", st.integers(0, 255).map(insulin.Changed), insulin.encode_changed, insulin.decode_changed),
    _of("annunciation", insulin.AnnunciationStatus, u16, annunciation, attention,
        st.lists(u16, max_size=5).map(tuple)),
    Codec("insulin history", st.builds(insulin_history.HistoryRecord, u32, u16, events),
          lambda record: record.encode(9), insulin_history.HistoryRecord.decode, True),
    Codec("insulin reply", replies, insulin_control.encode_reply, insulin_control.decode_reply),
    Codec("history request", history_requests, lambda request: request.encode(),
          insulin_control.HistoryRequest.decode),
    Codec("history answer", history_answers, lambda answer: answer.encode(), insulin_control.HistoryAnswer.decode),
    _of("log feature", log.LogFeature, u32, u16, u32, crc=True),
    _of("log record", log.LogRecord, u32, millisecond, u32, ieee32, crc=True),
    _of("waveform", log.WavePiece, millisecond, u32, st.integers(1, (1 << 32) - 1), ieee32,
        st.lists(st.integers(-(1 << 15), (1 << 15) - 1), min_size=1, max_size=240).map(tuple), crc=True),
]  # fmt: skip

assert struct.calcsize("<f") == 4
