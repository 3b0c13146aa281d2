"""Certificates made on the spot, a receiver on loopback inside real TLS, and a ward with a monitor."""

from __future__ import annotations

import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from devices.hl7 import Acknowledgement, Report, Verdict
from devices.hl7.receiver import Receiver
from devices.kinds.registry import by_key
from devices.telemetry import READING, ReadingBatch


class Authority:
    """Signs certificates for 127.0.0.1."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self._name, self._key.public_key(), authority=True)
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, authority: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
            )
        )
        return builder.sign(self._key, hashes.SHA256())

    def issue(self, name: str) -> tuple[Path, Path]:
        """Return certificate and key files of `name`."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        files = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        files[0].write_bytes(
            self._sign(subject, key.public_key(), authority=False).public_bytes(serialization.Encoding.PEM)
        )
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files

    def server(self, *, ask_for_client: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue("receiver"))
        if ask_for_client:
            context.load_verify_locations(cadata=self.pem)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "hospital authority")


@dataclass
class Hospital:
    """What the receiving end took, and how it answers: `verdict(report)` may be changed."""

    port: int
    taken: list[Report] = field(default_factory=list)
    verdict: Callable[[Report], Acknowledgement] = lambda report: Acknowledgement(Verdict.ACCEPTED, report.control_id)

    def take(self, report: Report) -> Acknowledgement:
        self.taken.append(report)
        return self.verdict(report)


@pytest.fixture
def hospitals() -> Iterator[Callable[[ssl.SSLContext], Hospital]]:
    """Return a starter of receivers; all are stopped in the end."""
    running = []

    def start(context: ssl.SSLContext, port: int = 0) -> Hospital:
        hospital = Hospital(port)
        receiver = Receiver(("127.0.0.1", port), context, hospital.take)
        hospital.port = receiver.server_address[1]
        thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        running.append((receiver, thread))
        return hospital

    yield start
    for receiver, thread in running:
        receiver.shutdown()
        receiver.server_close()
        thread.join(5)


@pytest.fixture
def hospital(hospitals, authority):  # type: ignore[no-untyped-def]
    return hospitals(authority.server())


@pytest.fixture
def monitor(patient):  # type: ignore[no-untyped-def]
    return make_device(patient, "vital_signs_monitor", "monitor-1")


def make_device(patient, kind: str, serial: str):  # type: ignore[no-untyped-def]
    from devices.services.registry import register_device, register_gateway

    gateway = register_gateway(name=f"gateway of {serial}", ward=patient.ward, public_key=bytes(32))
    return register_device(serial=serial, kind=kind, label=kind, gateway=gateway, patient=patient)[0]


@pytest.fixture
def destination(patient, hospital, authority):  # type: ignore[no-untyped-def]
    return make_destination(patient.ward, hospital.port, authority.pem)


def make_destination(ward, port: int, pem: str, **changes):  # type: ignore[no-untyped-def]
    from devices.models import HL7Destination

    fields = {
        "metrics": ["heart_rate", "spo2", "pump_alarm"],
        "period_s": 60,
        "facility": "General",
        "shares_outside": False,
    } | changes
    made = HL7Destination.objects.create(name=f"record {port}", host="127.0.0.1", port=port, authority=pem, **fields)
    made.wards.add(ward)
    return made


def measure(device, metric: str, values: dict[float, float], *, received: float, seq: int = 1) -> None:
    """Store readings as the writer would: device time -> value, all received at `received`."""
    from devices.services.telemetry import store

    rows = [(device.pk, by_key(metric).code, seq + n, t, value) for n, (t, value) in enumerate(values.items())]
    store().write(ReadingBatch(np.array(rows, READING), received_at=received))
