"""What this gateway runs, as two digests: of its code on disk, and of its configuration.

The server compares them with what a person approved. This is software speaking of itself: it finds an honest gateway
whose files were changed, by a slip, a bad update or somebody at its disk; a program that lies about itself it cannot
find (docs/edge.md).
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import compliance
import devices

DIGEST_BYTES = 32


def measure(config_path: Path, plant: str = "") -> bytes:
    """Return 64 bytes: SHA-256 over the code, SHA-256 over the configuration file. Raises OSError.

    plant: dotted path of the plant; a module from outside the project counts as code too.
    """
    return code_digest(plant) + hashlib.sha256(config_path.read_bytes()).digest()


def code_digest(plant: str = "") -> bytes:
    """Return SHA-256 over (name, SHA-256) of every Python file of the installed packages, sorted by name."""
    files: dict[str, Path] = {}
    for package in (devices, compliance):
        for place in package.__path__:
            files |= {f"{package.__name__}/{path.relative_to(place).as_posix()}": path for path in _python(Path(place))}
    module = plant.partition(":")[0]
    if module and module.partition(".")[0] not in ("devices", "compliance"):
        spec = find_spec(module)
        if spec is not None and spec.origin is not None:
            files[f"plant/{module}"] = Path(spec.origin)
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(name.encode() + b"\0" + hashlib.sha256(files[name].read_bytes()).digest())
    return total.digest()


def _python(place: Path) -> list[Path]:
    return [path for path in place.rglob("*.py") if "__pycache__" not in path.parts]
