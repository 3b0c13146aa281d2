"""The folder of sealed pieces that have arrived. What is here is read from the disk; nothing else remembers it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from django.conf import settings

from imaging.services.files import write_whole


def folder_of(study: UUID) -> Path:
    """Return where the pieces of one study lie."""
    return settings.IMAGING_DIR / "incoming" / str(study)


def missing(study: UUID, count: int) -> list[int]:
    """Return the indexes of the pieces that are not here yet."""
    folder = folder_of(study)
    here = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return [index for index in range(count) if _name(index) not in here]


def keep(study: UUID, index: int, piece: bytes) -> None:
    """Store one piece, whole or not at all; raises StorageFull."""
    write_whole(folder_of(study) / _name(index), [piece])


def pieces(study: UUID, count: int) -> Iterator[bytes]:
    """Yield the pieces in order; ends early where one is missing, which the opening of the study then names."""
    for index in range(count):
        path = folder_of(study) / _name(index)
        if not path.exists():
            return
        yield path.read_bytes()


def forget(study: UUID) -> None:
    """Delete the pieces of a study."""
    shutil.rmtree(folder_of(study), ignore_errors=True)


def _name(index: int) -> str:
    return f"{index:06d}.piece"
