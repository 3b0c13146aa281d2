"""From sampled readings to reports: whose they are, in which zone, under which codes."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from compliance.models import Patient
from devices.hl7 import Due, Observation, Person, Report
from devices.hl7.message import Code
from devices.kinds.measurement import Form, Measurement, Partition
from devices.kinds.registry import KINDS
from devices.models import Device, HL7Destination

MOST_OBSERVATIONS = 100  # in one message
LOCAL = "99MDT"  # codes that no standard names


def reports_of(
    destination: HL7Destination, devices: Mapping[int, Device], caught: Mapping[int, list[Due]], now: datetime
) -> Iterator[tuple[Report, Patient]]:
    """Return one report or more for each patient, in order of time."""
    found: dict[Patient, list[Due]] = defaultdict(list)
    for device, due in caught.items():
        patient = devices[device].patient
        if patient is not None:
            found[patient] += due
    for patient, due in found.items():
        due.sort(key=lambda one: (one.reading.t, one.reading.device, one.reading.seq))
        for start in range(0, len(due), MOST_OBSERVATIONS):
            yield _report(destination, patient, due[start : start + MOST_OBSERVATIONS], devices, now), patient


def _report(
    destination: HL7Destination, patient: Patient, due: Sequence[Due], devices: Mapping[int, Device], now: datetime
) -> Report:
    zone = ZoneInfo(patient.time_zone)
    number = {pk: place for place, pk in enumerate(dict.fromkeys(one.reading.device for one in due), start=1)}
    return Report(
        control_id=uuid.uuid4().hex[:20],
        sent_at=now.astimezone(zone),
        person=_person(patient),
        observations=tuple(_observation(one, devices[one.reading.device], number, zone) for one in due),
        status=destination.result_status,
        facility=destination.facility,
    )


def _person(patient: Patient) -> Person:
    return Person(
        medical_record_number=patient.medical_record_number,
        family_name=patient.family_name,
        given_name=patient.given_name,
        birth_date=patient.birth_date,
        sex=patient.sex,
        ward=patient.ward.name,
        bed=patient.bed,
    )


def _observation(due: Due, device: Device, number: Mapping[int, int], zone: ZoneInfo) -> Observation:
    measurement, reading = due.measurement, due.reading
    choice = None
    if measurement.kind is Form.ENUMERATION:
        named = measurement.values.get(int(reading.value), "")
        choice = Code(f"{reading.value:.0f}", named, LOCAL)
    places = [one.key for one in KINDS[device.kind].measurements]
    return Observation(
        codes=_codes(measurement),
        value="" if choice else f"{reading.value:.{measurement.decimals}f}",
        unit="" if choice else measurement.unit,
        at=_moment(reading.t, zone),
        device=device.serial,
        sub_id=f"{number[device.pk]}.1.1.{places.index(measurement.key) + 1}",
        choice=choice,
        received_at=_moment(reading.received, zone) if due.late else None,
    )


def _codes(measurement: Measurement) -> tuple[Code, ...]:
    own = measurement.code >> 16 == Partition.PRIVATE
    codes = (Code(str(measurement.code), measurement.label, LOCAL if own else "MDC"),)
    return (*codes, Code(measurement.loinc, measurement.label, "LN")) if measurement.loinc else codes


def _moment(t: float, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(t, tz=UTC).astimezone(zone)
