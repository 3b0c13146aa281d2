"""What the imaging kill tests need inside other processes: a hospital, a scanner's agent, and what came of its study.

`python -m tests.system.imaging_helper prepare FOLDER SERVER` | `state`
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

SLICES, COILS, SIDE = 12, 8, 160  # about 20 MB, which take a worker some seconds


def _prepare(folder: Path, server: str) -> None:
    import numpy as np
    from django.conf import settings
    from django.core.management import call_command

    from compliance.models import Ward
    from imaging.mri.phantom import undersampled_phantom
    from imaging.services.keys import ensure_hospital_key
    from imaging.services.scanner import scanner_identity

    call_command("migrate", verbosity=0)
    keys = ensure_hospital_key(settings.HOME / "keys")
    identity = scanner_identity(ward=Ward.objects.create(name="Ward 4"))
    inbox = folder / "inbox"
    study = inbox / "study"
    study.mkdir(parents=True)
    phantom = undersampled_phantom(slices=SLICES, coils=COILS, side=SIDE, every=1, calibration=24, seed=1)
    for number, kspace in enumerate(phantom):
        np.save(study / f"{number:02d}.npy", kspace)
    key = folder / "scanner.key"
    key.write_bytes(identity.signing_key.private_bytes_raw())
    config = {
        "gateway_id": identity.gateway,
        "server": server,
        "private_key_file": str(key),
        "hospital_public_key_file": str(keys.public),
        "inbox": str(inbox),
        "spool": str(folder / "spool"),
        "settle_s": 0,
        "poll_s": 0.2,
    }
    (folder / "agent.json").write_text(json.dumps(config))


def _state() -> None:
    from imaging.models import ImagingJob, Instance, Study

    study = Study.objects.get()
    answer = {
        "study": study.state,
        "jobs": {job.kind: [job.state, job.attempts] for job in ImagingJob.objects.all()},
        "images": Instance.objects.exclude(series__kind="kspace").count(),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    import django

    django.setup()
    if sys.argv[1] == "prepare":
        _prepare(Path(sys.argv[2]), sys.argv[3])
    else:
        _state()
