"""The hospital's key pair on disk. Gateways get the public file; workers alone may read the seed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from imaging.errors import OpeningKeyAbsent, StudyMalformed
from imaging.sealing import OpeningKey
from imaging.sealing.keys import SEED_BYTES, fingerprint


class KeyFiles(NamedTuple):
    """Where the two halves lie."""

    seed: Path
    public: Path


def ensure_hospital_key(folder: Path) -> KeyFiles:
    """Return the key pair's files in `folder` (`hospital.seed`, `hospital.pub`), making them first where they are
    absent.

    Safe when several processes start at once: the first seed written counts.
    """
    files = KeyFiles(folder / "hospital.seed", folder / "hospital.pub")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_once(files.seed, os.urandom(SEED_BYTES), mode=0o600)
    _write_once(files.public, OpeningKey(files.seed.read_bytes()).public_bytes, mode=0o644)
    return files


def opening_key() -> OpeningKey:
    """Return the private key; raise OpeningKeyAbsent in every process but an imaging worker."""
    if not settings.IMAGING_OPENING_KEY_FILE:
        raise OpeningKeyAbsent
    try:
        return OpeningKey(Path(settings.IMAGING_OPENING_KEY_FILE).read_bytes())
    except (OSError, StudyMalformed) as error:
        raise OpeningKeyAbsent("The hospital's opening key cannot be read from IMAGING_OPENING_KEY_FILE.") from error


def hospital_key_name() -> str | None:
    """Return the fingerprint of the hospital's public key, or None before it was made."""
    try:
        return fingerprint(settings.IMAGING_HOSPITAL_PUBLIC_KEY_FILE.read_bytes())
    except FileNotFoundError:
        return None


def _write_once(path: Path, data: bytes, mode: int) -> None:
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_bytes(data)
    draft.chmod(mode)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
