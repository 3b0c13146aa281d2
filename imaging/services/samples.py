"""Studies to show: real MR and CT files that pydicom brings along, a made phantom, and measured k-space where it is
at hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom

from imaging.mri.phantom import undersampled_phantom

MEASURED = "data/kspace/sigpy_brain_8ch_undersampled.npy"
PACKAGED = {
    "mr": ("Small matrix, one slice", ["MR_small.dcm"]),
    "ct": ("Neck, one slice", ["CT_small.dcm"]),
    "mr_overlay": ("Abdomen, one slice", ["examples_overlay.dcm"]),
    "mr_stack": ("Tiny stack of seven", ["dicomdirtests/98892003/MR700"]),
}


def write_samples(folder: Path, data_dir: Path | None = None) -> list[Path]:
    """Write one folder per sample study below `folder`, each ready for `send_study`, and return them.

    Nothing is downloaded. `data_dir` is settings.DATA_DIR; its measured k-space is left out where it is absent.
    """
    found = [_packaged(folder / name, *sample) for name, sample in PACKAGED.items()]
    found.append(_phantom(folder / "phantom"))
    if data_dir and (data_dir / MEASURED).exists():
        brain = _folder(folder / "brain", "Brain, 8 coils, 8x undersampled", synthetic=False)
        (brain / "slice.npy").write_bytes((data_dir / MEASURED).read_bytes())
        found.append(brain)
    return found


def _packaged(folder: Path, description: str, names: list[str]) -> Path:
    root = Path(pydicom.__file__).parent / "data" / "test_files"
    _folder(folder, description, synthetic=False)
    paths = [path for name in names for path in _files(root / name)]
    for number, path in enumerate(paths):
        (folder / f"{number:03d}.dcm").write_bytes(path.read_bytes())
    return folder


def _files(path: Path) -> list[Path]:
    return sorted(path.iterdir()) if path.is_dir() else [path]


def _phantom(folder: Path) -> Path:
    _folder(folder, "Head phantom, 8 coils, 3x undersampled", synthetic=True)
    phantom = undersampled_phantom(slices=7, coils=8, side=160, every=3, calibration=24, seed=7)
    for number, kspace in enumerate(phantom):
        np.save(folder / f"slice_{number:02d}.npy", kspace)
    return folder


def _folder(folder: Path, description: str, *, synthetic: bool) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.json").write_text(json.dumps({"description": description, "synthetic": synthetic}))
    return folder
