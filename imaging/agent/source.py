"""What lies in a study's folder, prepared for sealing: DICOM without names and with JPEG-LS pixels, or raw k-space.

A folder holds DICOM files (any name, any depth), or `.npy` k-space (coil, ky, kx) complex, one file per slice, each
with an optional `NAME.mask.npy` (ky, kx) boolean. An optional `study.json` says for whom and how urgent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import msgspec
import numpy as np

from imaging.codec import compressed, file_bytes
from imaging.codec.npy import read_npy
from imaging.dicom import looks_like_dicom, read_dataset
from imaging.dicom.deidentify import deidentify
from imaging.errors import NotDicom, StudyMalformed
from imaging.sealing import Entry
from imaging.sealing.study import Content, Urgency

NOTE = "study.json"


class StudyNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The optional `study.json` beside the files. `description` travels inside the seal."""

    patient: UUID | None = None
    urgency: Urgency = "routine"
    description: str = ""
    synthetic: bool = False


def read_note(folder: Path) -> StudyNote:
    """Return the folder's note, or an empty one; raise StudyMalformed when it is there but wrong."""
    path = folder / NOTE
    if not path.exists():
        return StudyNote()
    try:
        return msgspec.json.decode(path.read_bytes(), type=StudyNote)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise StudyMalformed(f"{NOTE} is wrong: {error}.") from error


def content_of(folder: Path) -> Content:
    """Return what the folder holds; raise NotDicom where it is neither."""
    if any(folder.rglob("*.npy")):
        return "kspace"
    if any(_dicom_files(folder)):
        return "dicom"
    raise NotDicom(f"There is no DICOM image and no k-space in the folder '{folder.name}'.")


def source_files(folder: Path) -> list[Path]:
    """Return the files that belong to the study, in a stable order. Anything else in the folder is left alone."""
    if content_of(folder) == "kspace":
        return sorted(folder.rglob("*.npy"))
    return list(_dicom_files(folder))


def prepared(folder: Path, description: str) -> Iterator[Entry]:
    """Yield the files as they are sealed, under running numbers: a file name may hold a patient's name."""
    content = content_of(folder)
    yield Entry(NOTE, json.dumps({"description": description[:120]}).encode())
    paths = source_files(folder)
    slices = {path: number for number, path in enumerate(path for path in paths if not _is_mask(path))}
    for number, path in enumerate(paths):
        if content == "dicom":
            yield Entry(f"{number:05d}.dcm", _dicom_bytes(path))
        elif not _is_mask(path):
            read_npy(path.read_bytes())  # refuses here what the worker would refuse later
            yield Entry(f"{slices[path]:05d}.npy", path.read_bytes())
        elif (owner := path.with_name(path.name.replace(".mask.npy", ".npy"))) in slices:
            yield Entry(f"{slices[owner]:05d}.mask.npy", _mask_bytes(path))


def _dicom_bytes(path: Path) -> bytes:
    dataset = read_dataset(path.read_bytes())
    deidentify(dataset)
    return file_bytes(compressed(dataset))


def _mask_bytes(path: Path) -> bytes:
    if read_npy(path.read_bytes()).dtype != np.bool_:
        raise StudyMalformed("A sampling mask is a boolean array (ky, kx).")
    return path.read_bytes()


def _is_mask(path: Path) -> bool:
    return path.name.endswith(".mask.npy")


def _dicom_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != NOTE:
            with path.open("rb") as file:
                if looks_like_dicom(file.read(132)):
                    yield path
