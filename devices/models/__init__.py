"""Things as stored: gateways and devices, who wore them when, what proves readings, and the energy used."""

from devices.models.assignments import DeviceAssignment
from devices.models.attestation import GatewayMeasurement
from devices.models.changes import RegistryChange, Watched
from devices.models.coap import CoapSecret
from devices.models.energy import EnergyUsage, Hop, Span
from devices.models.evidence import FormerKey, FrameSeal, GatewaySession
from devices.models.facts import EdgeFact
from devices.models.hl7 import HL7Cursor, HL7Destination, HL7Message, MessageState, ResultStatus
from devices.models.homes import DeviceHome
from devices.models.observations import ExternalObservation
from devices.models.paths import DevicePath, PathTally
from devices.models.registry import Device, DeviceState, Gateway, GatewayState
from devices.models.settings import DesiredSettings
from devices.models.trust import (
    Authority,
    Certificate,
    CertificateState,
    FormerRoot,
    KeyEpoch,
    Pairing,
    PairingRun,
    PairingState,
)

__all__ = [
    "Authority",
    "Certificate",
    "CertificateState",
    "CoapSecret",
    "DesiredSettings",
    "Device",
    "DeviceAssignment",
    "DeviceHome",
    "DevicePath",
    "DeviceState",
    "EdgeFact",
    "EnergyUsage",
    "ExternalObservation",
    "FormerKey",
    "FormerRoot",
    "FrameSeal",
    "Gateway",
    "GatewayMeasurement",
    "GatewaySession",
    "GatewayState",
    "HL7Cursor",
    "HL7Destination",
    "HL7Message",
    "Hop",
    "KeyEpoch",
    "MessageState",
    "Pairing",
    "PairingRun",
    "PairingState",
    "PathTally",
    "RegistryChange",
    "ResultStatus",
    "Span",
    "Watched",
]
