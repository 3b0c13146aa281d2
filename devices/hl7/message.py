"""Device observations of one patient as ORU^R01 of HL7 v2.6, after the IHE profile PCD-01, and back.

Order of segments: MSH, PID, PV1, OBR, and for each observation OBX, with an NTE after one that came late. MDC codes
(ISO/IEEE 11073-10101) come first, LOINC as the alternative; units are UCUM; the device stands in OBX-18.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Message
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message

from devices.hl7.errors import MessageMalformed
from devices.hl7.text import from_wire, to_wire, unveil, veil
from devices.hl7.times import parse_time, write_time

VERSION = "2.6"
APPLICATION = "MEDTWIN"
PROFILE = "IHE_PCD_ORU_R01^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO"
LATE = "late"  # first word of the note: arrived after the device had been out of reach
_SEX = {"female": "F", "male": "M", "other": "O", "unknown": "U"}
_SEX_BACK = {letter: word for word, letter in _SEX.items()}


class Code(NamedTuple):
    """A code, what it says, and whose code it is."""

    code: str
    text: str
    system: str


@dataclass(frozen=True, slots=True)
class Person:
    """Whose observations they are, and where the person lies."""

    medical_record_number: str
    family_name: str
    given_name: str
    birth_date: date
    sex: str  # female, male, other or unknown
    ward: str
    bed: str


@dataclass(frozen=True, slots=True)
class Observation:
    """One value of one device. `at` is the device's time, with the offset of the patient's zone.

    choice: what an enumeration's number means, or None for a number. received_at: when it came, if it came late.
    """

    codes: tuple[Code, ...]
    value: str
    unit: str
    at: datetime
    device: str
    sub_id: str
    choice: Code | None = None
    received_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What one message says. status: F (final) or P (preliminary, until a person has validated it)."""

    control_id: str
    sent_at: datetime
    person: Person
    observations: tuple[Observation, ...]
    status: str = "F"
    facility: str = ""


def build_report(report: Report) -> bytes:
    """Return the message in UTF-8, each segment ended by a carriage return. Raises MessageMalformed."""
    try:
        message = Message("ORU_R01", version=VERSION, validation_level=VALIDATION_LEVEL.TOLERANT)
        _write_header(message.msh, report)
        result = message.add_group("ORU_R01_PATIENT_RESULT")
        patient = result.add_group("ORU_R01_PATIENT")
        _write_person(patient.add_segment("PID"), report.person)
        _write_visit(patient.add_group("ORU_R01_VISIT").add_segment("PV1"), report.person)
        order = result.add_group("ORU_R01_ORDER_OBSERVATION")
        _write_order(order.add_segment("OBR"), report)
        for number, observation in enumerate(report.observations, start=1):
            _write_observation(order.add_group("ORU_R01_OBSERVATION"), number, observation, report.status)
        return (to_wire(message.to_er7()) + "\r").encode()
    except (HL7apyException, ValueError) as error:
        raise MessageMalformed(f"the report cannot be written: {type(error).__name__}") from error


def _joined(*parts: str) -> str:
    return "^".join(veil(part) for part in parts).rstrip("^")


def _write_header(msh: Any, report: Report) -> None:
    msh.msh_3 = APPLICATION
    msh.msh_4 = _joined(report.facility)
    msh.msh_7 = write_time(report.sent_at)
    msh.msh_9 = "ORU^R01^ORU_R01"
    msh.msh_10 = report.control_id
    msh.msh_11 = "P"
    msh.msh_15 = "NE"
    msh.msh_16 = "AL"
    msh.msh_18 = "UNICODE UTF-8"
    msh.msh_21 = PROFILE


def _write_person(pid: Any, person: Person) -> None:
    pid.pid_3 = _joined(person.medical_record_number, "", "", APPLICATION, "MR")
    pid.pid_5 = _joined(person.family_name, person.given_name, "", "", "", "", "L")
    pid.pid_7 = f"{person.birth_date:%Y%m%d}"
    pid.pid_8 = _SEX[person.sex]


def _write_visit(pv1: Any, person: Person) -> None:
    pv1.pv1_2 = "I"
    pv1.pv1_3 = _joined(person.ward, "", person.bed)


def _write_order(obr: Any, report: Report) -> None:
    times = [observation.at for observation in report.observations]
    obr.obr_1 = "1"
    obr.obr_3 = _joined(report.control_id, APPLICATION)
    obr.obr_4 = "182777000^monitoring of patient^SCT"
    obr.obr_7 = write_time(min(times))
    obr.obr_8 = write_time(max(times))
    obr.obr_25 = report.status


def _write_observation(group: Any, number: int, observation: Observation, status: str) -> None:
    obx = group.add_segment("OBX")
    obx.obx_1 = str(number)
    obx.obx_2 = "CWE" if observation.choice else "NM"
    obx.obx_3 = _joined(*(part for code in observation.codes for part in code))
    obx.obx_4 = observation.sub_id
    obx.obx_5 = _joined(*observation.choice) if observation.choice else veil(observation.value)
    if not observation.choice:
        obx.obx_6 = _joined(observation.unit, observation.unit, "UCUM")
    obx.obx_11 = status
    obx.obx_14 = write_time(observation.at)
    obx.obx_18 = _joined(observation.device, APPLICATION)
    if observation.received_at is not None:
        obx.obx_19 = write_time(observation.received_at)
        note = group.add_segment("NTE")
        note.nte_1, note.nte_2 = "1", "L"
        note.nte_3 = veil(f"{LATE}: measured before, received {write_time(observation.received_at)}")


def parse_report(data: bytes) -> Report:
    """Return what a message says that `build_report` made. Raises MessageMalformed for any other."""
    try:
        message = parse_message(from_wire(data.decode()), find_groups=False, validation_level=VALIDATION_LEVEL.TOLERANT)
        segments = list(message.children)
        pid, pv1, obr = message.pid, message.pv1, message.obr
        if _leaf(message.msh.msh_9, 0) != "ORU":
            raise MessageMalformed("not an ORU^R01 message")
        return Report(
            control_id=unveil(str(message.msh.msh_10.value)),
            sent_at=parse_time(str(message.msh.msh_7.value)),
            person=_read_person(pid, pv1),
            observations=tuple(_read_observations(segments)),
            status=str(obr.obr_25.value),
            facility=_leaf(message.msh.msh_4, 0),
        )
    except (HL7apyException, ValueError, KeyError, IndexError, AttributeError) as error:
        raise MessageMalformed(f"the message cannot be read: {type(error).__name__}") from error


def _parts(field: Any) -> list[str]:
    return [unveil(part) for part in str(field.value or "").split("^")]


def _leaf(field: Any, index: int) -> str:
    parts = _parts(field)
    return parts[index] if index < len(parts) else ""


def _read_person(pid: Any, pv1: Any) -> Person:
    return Person(
        medical_record_number=_leaf(pid.pid_3, 0),
        family_name=_leaf(pid.pid_5, 0),
        given_name=_leaf(pid.pid_5, 1),
        birth_date=parse_time(str(pid.pid_7.value)).date(),
        sex=_SEX_BACK[str(pid.pid_8.value)],
        ward=_leaf(pv1.pv1_3, 0),
        bed=_leaf(pv1.pv1_3, 2),
    )


def _read_observations(segments: Sequence[Any]) -> Iterable[Observation]:
    for segment in segments:
        if segment.name != "OBX":
            continue
        choice = _codes(segment.obx_5)[0] if segment.obx_2.value == "CWE" else None
        late = segment.obx_19.value
        yield Observation(
            codes=_codes(segment.obx_3),
            value="" if choice else _leaf(segment.obx_5, 0),
            unit=_leaf(segment.obx_6, 0),
            at=parse_time(str(segment.obx_14.value)),
            device=_leaf(segment.obx_18, 0),
            sub_id=str(segment.obx_4.value),
            choice=choice,
            received_at=parse_time(str(late)) if late else None,
        )


def _codes(field: Any) -> tuple[Code, ...]:
    parts = _parts(field)
    parts += [""] * (-len(parts) % 3)
    return tuple(Code(*parts[at : at + 3]) for at in range(0, len(parts), 3))
