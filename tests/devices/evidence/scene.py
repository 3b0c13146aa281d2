"""A sealed reading as the house keeps it, made without a socket; and a hand that changes the store behind its back."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.utils import timezone

from compliance.log.notes import WITNESS_KEY, Note, Signer
from compliance.services.log import sequence
from devices.kinds.registry import by_key
from devices.models import Device, Gateway, GatewaySession
from devices.protocol.hello import Transcript, signed_bytes
from devices.services import sealing
from devices.services.registry import register_device, register_gateway
from devices.services.telemetry import store
from devices.telemetry import READING, ReadingBatch, group_frames
from tests.devices.ingest.cast import ToyDevice


class Scene:
    """One monitor of one patient behind a gateway that has proved itself."""

    def __init__(self, patient) -> None:
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes_raw()
        self.gateway: Gateway = register_gateway(name=f"gw {patient.pk}", ward=patient.ward, public_key=public)
        self.device, frame_key = register_device(
            serial=f"m-{time.monotonic_ns()}", kind="vital_signs_monitor", label="Monitor M-12",
            gateway=self.gateway, patient=patient,
        )  # fmt: skip
        self.toy = ToyDevice(self.device.pk, frame_key)
        self.proof = Transcript(self.gateway.pk, public, bytes(32), key.sign(signed_bytes(bytes(32), self.gateway.pk)))
        GatewaySession.objects.create(
            digest=self.proof.digest, gateway=self.gateway, public_key=public, nonce=bytes(32),
            signature=self.proof.signature, opened_at=timezone.now(),
        )  # fmt: skip

    def send(self, *values: float, key: str = "heart_rate", at: float | None = None) -> list[int]:
        """Store a frame of these values and its readings, as the writer does; return their sequence numbers."""
        now = round(at or time.time(), 3)
        first = self.toy.seq + 1
        frame = self.toy.frame(*[(key, now, value) for value in values])
        rows = [(self.device.pk, by_key(key).code, first + i, now, value) for i, value in enumerate(values)]
        frames = group_frames(
            [frame], np.array([first], np.uint64), np.array([len(values)], np.intp), [self.proof.digest]
        )
        store().write(ReadingBatch(np.array(rows, READING), received_at=time.time(), frames=frames))
        return [first + i for i in range(len(values))]

    def url(self, seq: int) -> str:
        return f"/evidence/reading/{self.device.pk}/{seq}/"


def into_the_log(settings) -> None:
    """Seal what came, give the entry its place, and let two witnesses cosign the log's head."""
    sealing.seal_frames(store())
    head = sequence()
    assert head is not None
    signers = [Signer(f"witness-{n}.example", WITNESS_KEY, Ed25519PrivateKey.generate()) for n in (1, 2)]
    head.note += "".join(signer.line(Note.parse(head.note).text, int(time.time())) for signer in signers)
    head.witnesses = 2
    head.save()
    settings.LOG_WITNESSES = [f"http://{signer.name}={signer.verifier.encoded()}" for signer in signers]


def tamper(statement: str, *values: object) -> None:
    """Change the telemetry store by direct SQL. Values stand at `?`."""
    if settings.TELEMETRY_URL.startswith("sqlite"):
        import sqlite3

        database = sqlite3.connect(Path(settings.TELEMETRY_URL.removeprefix("sqlite:///")))
        with database:
            assert database.execute(statement, values).rowcount > 0
        database.close()
        return
    import psycopg

    with psycopg.connect(settings.TELEMETRY_URL, autocommit=True) as database:
        assert database.execute(statement.replace("?", "%s"), values).rowcount > 0


def device_again(scene: Scene) -> Device:
    return Device.objects.get(pk=scene.device.pk)
