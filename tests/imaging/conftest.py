"""A hospital with a key pair, a scanner's gateway, folders of studies, and a door between them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from imaging.agent import Identity
from imaging.mri.phantom import undersampled_phantom
from imaging.services.keys import KeyFiles, ensure_hospital_key


@pytest.fixture
def hospital(tmp_path: Path, settings) -> KeyFiles:  # type: ignore[no-untyped-def]
    """The hospital's keys and an empty image store; this process acts as web and as worker."""
    files = ensure_hospital_key(tmp_path / "keys")
    settings.IMAGING_DIR = tmp_path / "imaging"
    settings.IMAGING_OPENING_KEY_FILE = str(files.seed)
    settings.IMAGING_HOSPITAL_PUBLIC_KEY_FILE = files.public
    return files


@pytest.fixture
def scanner_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def scanner(ward, scanner_key):  # type: ignore[no-untyped-def]
    """The registered gateway of the ward's scanner."""
    from devices.models import Gateway

    return Gateway.objects.create(name="MR 1", ward=ward, public_key=scanner_key.public_key().public_bytes_raw())


@pytest.fixture
def identity(scanner, scanner_key, hospital) -> Identity:  # type: ignore[no-untyped-def]
    return Identity(scanner.pk, scanner_key, hospital.public.read_bytes())


@pytest.fixture
def dicom_folder(tmp_path: Path) -> Path:
    """Two real files that pydicom brings along: an MR and a CT slice."""
    from pydicom.data import get_testdata_file

    folder = tmp_path / "dicom"
    folder.mkdir()
    for name in ("MR_small.dcm", "CT_small.dcm"):
        (folder / name).write_bytes(Path(str(get_testdata_file(name, download=False))).read_bytes())
    return folder


@pytest.fixture
def kspace_folder(tmp_path: Path) -> Path:
    """A made phantom: two slices, four coils, 64 x 64, every second line."""
    folder = tmp_path / "kspace"
    folder.mkdir()
    for number, kspace in enumerate(undersampled_phantom(slices=2, coils=4, side=64, every=2, calibration=16, seed=1)):
        np.save(folder / f"slice_{number}.npy", kspace)
    return folder


@pytest.fixture
def run_jobs() -> Callable[[], None]:
    """Return what does every job that is due in this process, as a worker would."""
    from imaging.services import jobs, work

    def run() -> None:
        while ids := list(jobs.due().values_list("pk", flat=True)):
            for job_id in ids:
                work.run_job(job_id=job_id)

    return run


class ServiceDoor:
    """The door without HTTP, for tests of what stands behind it."""

    def __init__(self, gateway: object) -> None:
        self.gateway = gateway
        self.calls: list[str] = []

    def begin(self, manifest: bytes, signature: bytes) -> list[int]:
        from imaging.services import uploads

        return uploads.begin(gateway=self.gateway, manifest=manifest, signature=signature)  # type: ignore[arg-type]

    def missing(self, study: UUID) -> list[int]:
        from imaging.services import uploads

        return uploads.missing(gateway=self.gateway, study=study)  # type: ignore[arg-type]

    def put(self, study: UUID, index: int, piece: bytes) -> None:
        from imaging.services import uploads

        self.calls.append(f"put {index}")
        uploads.put(gateway=self.gateway, study=study, index=index, piece=piece)  # type: ignore[arg-type]

    def complete(self, study: UUID) -> None:
        from imaging.services import uploads

        uploads.complete(gateway=self.gateway, study=study)  # type: ignore[arg-type]


@pytest.fixture
def door(scanner) -> ServiceDoor:  # type: ignore[no-untyped-def]
    return ServiceDoor(scanner)
