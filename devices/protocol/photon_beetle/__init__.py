"""PHOTON-Beetle-AEAD[128]: a finalist that NIST did not choose, here to measure its cost beside Ascon's."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

from devices.protocol.aead import AeadBackend

__all__ = ["backend", "best_backend"]


@cache
def backend(name: str) -> AeadBackend:
    """Return the backend `numba` or `python`; its library is imported only now."""
    if name == "numba":
        from devices.protocol.photon_beetle.numba_batch import NumbaBackend

        return NumbaBackend()
    from devices.protocol.photon_beetle.reference import PythonBackend

    return PythonBackend()


def best_backend() -> AeadBackend:
    """Return the faster backend whose library is installed."""
    return backend("numba" if find_spec("numba") else "python")
