"""The scanner gateway that this installation itself runs: for `manage.py send_study` and the demonstration."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from compliance.models import Ward
from devices.models import Gateway
from devices.services.registry import register_device, register_gateway
from imaging.agent import Identity, Spool, StudyNote, deliver
from imaging.agent.http import HttpDoor
from imaging.errors import StudyKeyWrong
from imaging.services import uploads


def scanner_identity(*, ward: Ward) -> Identity:
    """Return who the ward's scanner gateway is, registering it, its key and its scanner the first time.

    Raises StudyKeyWrong before the hospital's key was made (see `ensure_hospital_key`).
    """
    if not settings.IMAGING_HOSPITAL_PUBLIC_KEY_FILE.exists():
        raise StudyKeyWrong("The hospital has no imaging key yet. Start the demo or a worker first.")
    key = _key(settings.HOME / "keys" / f"scanner-{ward.pk}.seed")
    public = key.public_key().public_bytes_raw()
    gateway = Gateway.objects.filter(public_key=public).first()
    if gateway is None:
        gateway = register_gateway(name=f"Scanner, {ward.name}", ward=ward, public_key=public, link="ethernet")
        serial = f"MR-{public.hex()[:8].upper()}"
        register_device(
            serial=serial, kind="mr_scanner", label="MR scanner", gateway=gateway, patient=None, link="wired"
        )
    return Identity(gateway.pk, key, settings.IMAGING_HOSPITAL_PUBLIC_KEY_FILE.read_bytes())


def send(*, folder: Path, note: StudyNote, identity: Identity, server: str = "") -> tuple[UUID, int]:
    """Seal `folder` and upload it to `server`, or straight into this process's services where none is named.

    Returns the study's identifier and the number of pieces sent. The path is the same: sealed, signed, checked, and
    opened by a worker. Raises the DomainError of whatever refuses it.
    """
    with _spool() as spool:
        spooled = spool.seal(folder, note, identity)
        if not server:
            return spooled.study, deliver(spooled, ServiceDoor(uploads.active_gateway(identity.gateway)))
        with closing(HttpDoor(server, identity)) as door:
            return spooled.study, deliver(spooled, door)


class ServiceDoor:
    """The services of this process as a door for one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def begin(self, manifest: bytes, signature: bytes) -> list[int]:
        """Announce a study; see imaging.agent.upload.Door."""
        return uploads.begin(gateway=self._gateway, manifest=manifest, signature=signature)

    def missing(self, study: UUID) -> list[int]:
        """Return the missing pieces; see Door."""
        return uploads.missing(gateway=self._gateway, study=study)

    def put(self, study: UUID, index: int, piece: bytes) -> None:
        """Hand over one piece; see Door."""
        uploads.put(gateway=self._gateway, study=study, index=index, piece=piece)

    def complete(self, study: UUID) -> None:
        """Declare the study whole; see Door."""
        uploads.complete(gateway=self._gateway, study=study)


@contextmanager
def _spool() -> Iterator[Spool]:
    """A spool for one command: what it could not deliver, it reports, and the folder can be sent again."""
    settings.IMAGING_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="spool-", dir=settings.IMAGING_DIR) as folder:
        yield Spool(Path(folder))


def _key(path: Path) -> Ed25519PrivateKey:
    """Return the gateway's key, made the first time."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_bytes(Ed25519PrivateKey.generate().private_bytes_raw())
        draft.chmod(0o600)
        draft.rename(path)
    return Ed25519PrivateKey.from_private_bytes(path.read_bytes())
