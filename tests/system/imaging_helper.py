"""What the imaging kill tests need inside other processes: a hospital, a scanner's agent, and what came of its study.

Called through tests/forks.py.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.forks import serve

SLICES, COILS, SIDE = 6, 8, 128  # 6 MB: six pieces, which a slowed agent sends in a second


def _prepare(inside: str, server: str) -> None:
    import numpy as np
    from django.conf import settings

    from compliance.models import Ward
    from imaging.mri.phantom import undersampled_phantom
    from imaging.services.keys import ensure_hospital_key
    from imaging.services.scanner import scanner_identity

    folder = Path(inside)
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


def _state() -> dict[str, object]:
    from imaging.models import ImagingJob, Instance, Study

    study = Study.objects.get()
    return {
        "study": study.state,
        "jobs": {job.kind: [job.state, job.attempts] for job in ImagingJob.objects.all()},
        "images": Instance.objects.exclude(series__kind="kspace").count(),
    }


if __name__ == "__main__":
    serve({"prepare": _prepare, "state": _state})
