"""Every device kind, found by looking for folders beside this file; a new kind is a new folder and nothing else."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from devices.errors import ReadingMetricUnknown
from devices.kinds.measurement import DeviceKind, Form, Measurement, Urgency

__all__ = ["KINDS", "DeviceKind", "Form", "Measurement", "Urgency", "by_code", "by_key", "urgency_of"]


def _find_kinds() -> dict[str, DeviceKind]:
    folders = sorted(found.name for found in pkgutil.iter_modules([str(Path(__file__).parent)]) if found.ispkg)
    return {name: import_module(f"devices.kinds.{name}").KIND for name in folders}


def _index(kinds: Mapping[str, DeviceKind]) -> dict[str, Measurement]:
    """Return the measurements by key; one key and one code mean one measurement in the whole house."""
    found: dict[str, Measurement] = {}
    for kind in kinds.values():
        for measurement in kind.measurements:
            if found.setdefault(measurement.key, measurement) != measurement:
                raise ValueError(f"{kind.name} describes {measurement.key} differently from another kind")
    if len({measurement.code for measurement in found.values()}) != len(found):
        raise ValueError("two measurements share one code")
    return found


KINDS: Mapping[str, DeviceKind] = MappingProxyType(_find_kinds())
_BY_KEY = _index(KINDS)
_BY_CODE = {measurement.code: measurement for measurement in _BY_KEY.values()}


def by_code(code: int) -> Measurement:
    """Return the measurement with that 32-bit code. Raises ReadingMetricUnknown."""
    try:
        return _BY_CODE[code]
    except KeyError:
        raise ReadingMetricUnknown(f"no device kind measures code {code}") from None


def by_key(key: str) -> Measurement:
    """Return the measurement with that key. Raises KeyError, since a key comes from our own code."""
    return _BY_KEY[key]


def urgency_of(codes: Iterable[int]) -> Urgency:
    """Return the urgency of the most urgent of these metrics; what no kind describes is telemetry."""
    known = (_BY_CODE[code].travels_as for code in codes if code in _BY_CODE)
    return min(known, default=Urgency.TELEMETRY)
