"""The receiver's answer: ACK with MSA. What counts is MSA-1 (the verdict) and MSA-2 (whose message it is)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Message
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message

from devices.hl7.errors import MessageMalformed
from devices.hl7.message import APPLICATION, VERSION
from devices.hl7.text import from_wire, to_wire, unveil, veil
from devices.hl7.times import write_time


class Verdict(StrEnum):
    """MSA-1. The enhanced mode's commit answers count as the same."""

    ACCEPTED = "AA"
    ERROR = "AE"
    REJECTED = "AR"


_VERDICTS = {
    "AA": Verdict.ACCEPTED,
    "CA": Verdict.ACCEPTED,
    "AE": Verdict.ERROR,
    "CE": Verdict.ERROR,
    "AR": Verdict.REJECTED,
    "CR": Verdict.REJECTED,
}


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a receiver says about the message with the control id `about`."""

    verdict: Verdict
    about: str
    reason: str = ""


def build_acknowledgement(answer: Acknowledgement, *, control_id: str, sent_at: datetime) -> bytes:
    """Return an ACK^R01^ACK message in UTF-8."""
    message = Message("ACK", version=VERSION, validation_level=VALIDATION_LEVEL.TOLERANT)
    message.msh.msh_3 = APPLICATION
    message.msh.msh_7 = write_time(sent_at)
    message.msh.msh_9 = "ACK^R01^ACK"
    message.msh.msh_10 = control_id
    message.msh.msh_11 = "P"
    message.msh.msh_18 = "UNICODE UTF-8"
    msa = message.add_segment("MSA")
    msa.msa_1 = answer.verdict.value
    msa.msa_2 = veil(answer.about)
    if answer.reason:
        error = message.add_segment("ERR")
        error.err_4 = "E"
        error.err_8 = veil(answer.reason)
    return (to_wire(message.to_er7()) + "\r").encode()


def parse_acknowledgement(data: bytes) -> Acknowledgement:
    """Return what the answer says. Raises MessageMalformed when it is none."""
    try:
        message = parse_message(from_wire(data.decode()), find_groups=False, validation_level=VALIDATION_LEVEL.TOLERANT)
        msa = next(segment for segment in message.children if segment.name == "MSA")
        verdict = _VERDICTS[str(msa.msa_1.value)]
        return Acknowledgement(verdict, unveil(str(msa.msa_2.value)), _reason(message, msa))
    except (HL7apyException, ValueError, KeyError, AttributeError, StopIteration) as error:
        raise MessageMalformed("the receiver's answer is no acknowledgement") from error


def _reason(message: Any, msa: Any) -> str:
    """Return the receiver's words: ERR-8, or MSA-3 of older ones."""
    errors = [segment for segment in message.children if segment.name == "ERR"]
    said = [str(segment.err_8.value or segment.err_7.value or "") for segment in errors] + [str(msa.msa_3.value or "")]
    return unveil(next((words for words in said if words), ""))
