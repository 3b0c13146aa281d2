"""HL7 v2 out: observations as ORU^R01 messages, framed by MLLP, inside TLS. Framework-free."""

from devices.hl7.acknowledgement import Acknowledgement, Verdict, build_acknowledgement, parse_acknowledgement
from devices.hl7.errors import FrameBroken, HL7Error, MessageMalformed, PeerUnreachable
from devices.hl7.message import Observation, Person, Report, build_report, parse_report
from devices.hl7.mllp import Unframer, frame
from devices.hl7.sampling import Due, sample

__all__ = [
    "Acknowledgement",
    "Due",
    "FrameBroken",
    "HL7Error",
    "MessageMalformed",
    "Observation",
    "PeerUnreachable",
    "Person",
    "Report",
    "Unframer",
    "Verdict",
    "build_acknowledgement",
    "build_report",
    "frame",
    "parse_acknowledgement",
    "parse_report",
    "sample",
]
