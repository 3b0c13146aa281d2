"""Ascon-AEAD128 of NIST SP 800-232 behind one interface, in plain Python, NumPy and numba."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

from devices.protocol.aead import AeadBackend

__all__ = ["AeadBackend", "backend", "best_backend"]

NAMES = ("numba", "numpy", "python")  # fastest first


@cache
def backend(name: str) -> AeadBackend:
    """Return the backend `numba`, `numpy` or `python`; its library is imported only now."""
    if name == "numba":
        from devices.protocol.ascon.numba_batch import NumbaBackend

        return NumbaBackend()
    if name == "numpy":
        from devices.protocol.ascon.numpy_batch import NumpyBackend

        return NumpyBackend()
    from devices.protocol.ascon.reference import PythonBackend

    return PythonBackend()


def best_backend() -> AeadBackend:
    """Return the fastest backend whose library is installed. A server calls its `warm()` once at start."""
    return backend(next(name for name in NAMES if name == "python" or find_spec(name)))
