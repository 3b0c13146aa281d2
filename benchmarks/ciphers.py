"""What each cipher of the frames costs: 64-byte payloads, 20-byte headers, a key for every device.

`python -m benchmarks.ciphers`. AES-128-GCM of `cryptography` shows what the machine can do: ratios travel between
machines, absolute figures do not. Beside the time here stand the bytes that the seal adds and the energy that the model
of devices/energy gives for a small Cortex-M without AES hardware.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from importlib.util import find_spec

from compliance.measuring import Absent, Report, main
from devices.energy.cost import SEAL_BYTES
from devices.energy.cpu import CLOCK_HZ, seal_cycles, seal_j
from devices.protocol.ascon import backend
from devices.protocol.suites import Suite, SuiteCiphers

Columns = tuple[list[bytes], ...]

PAYLOAD_BYTES, HEADER_BYTES = 64, 20
BATCHES = (16, 256, 4096)
AIM_PER_S = 300_000  # Ascon compiled, one core
NUMPY_AIM_PER_S = 50_000  # Ascon where there is no compiler


def _rate(work: Callable[..., object], columns: Columns, seconds: float) -> float:
    """Return frames/s of the fastest of three rounds, so that a neighbour's burst of load does not count."""
    best = 0.0
    for _ in range(3):
        done, spent, start = 0, 0.0, time.perf_counter()
        while spent < seconds / 3:
            work(*columns)
            done, spent = done + len(columns[0]), time.perf_counter() - start
        best = max(best, done / spent)
    return best


def measure(report: Report, options: argparse.Namespace) -> None:
    """Fill the report."""
    if find_spec("numba") is None:
        raise Absent("numba")
    seconds = 0.6 if options.quick else 3.0
    start = time.perf_counter()
    backend("numba").warm()
    report.figure("numba_warm_s", time.perf_counter() - start)
    rates: dict[tuple[str, int], float] = {}
    for size in BATCHES:
        keys, nonces = [os.urandom(16) for _ in range(size)], [os.urandom(16) for _ in range(size)]
        headers = [os.urandom(HEADER_BYTES) for _ in range(size)]
        texts = [os.urandom(PAYLOAD_BYTES) for _ in range(size)]
        plain: Columns = (keys, nonces, headers, texts)
        sealed: Columns = (keys, nonces, headers, backend("numba").seal_batch(*plain))
        for name in ("numba", "numpy", "python"):
            if name == "python" and size > BATCHES[0]:
                continue  # it has no batch: its rate does not depend on the size
            cipher = backend(name)
            rates[name, size] = _rate(cipher.open_batch, sealed, seconds)
            report.figure(f"{name}_open_{size}_frames_per_s", rates[name, size])
        report.figure(f"numba_seal_{size}_frames_per_s", _rate(backend("numba").seal_batch, plain, seconds))
    aes = _each_cipher(report, seconds)
    python = rates["python", BATCHES[0]]
    report.figure("numba_to_aes_gcm", rates["numba", 256] / aes)
    report.bar("numba_open_256_frames_per_s", rates["numba", 256], ">=", AIM_PER_S)
    report.bar("numpy_open_256_frames_per_s", rates["numpy", 256], ">=", NUMPY_AIM_PER_S)
    report.bar("numba_to_python", rates["numba", 256] / python, ">=", 50)
    report.bar("numpy_to_python", rates["numpy", 4096] / python, ">=", 10)
    report.note(f"{PAYLOAD_BYTES}-byte payloads, {HEADER_BYTES}-byte headers, one core; batches of {BATCHES} frames.")
    report.note("small_*: the model of devices/energy/cpu.py, nRF52840 at 64 MHz, software only; sources stand there.")


def _each_cipher(report: Report, seconds: float) -> float:
    """Measure every cipher as the server uses it; return frames/s of AES-128-GCM."""
    ciphers, count = SuiteCiphers(), 256
    aes = 0.0
    for suite in Suite:
        name = suite.facts.name.replace("-", "_")
        cipher = ciphers.of(suite)
        cipher.warm()
        keys, nonces = [os.urandom(16) for _ in range(count)], [os.urandom(16) for _ in range(count)]
        headers = [os.urandom(HEADER_BYTES) for _ in range(count)]
        plain: Columns = (keys, nonces, headers, [os.urandom(PAYLOAD_BYTES) for _ in range(count)])
        sealed: Columns = (keys, nonces, headers, cipher.seal_batch(*plain))
        opening = _rate(cipher.open_batch, sealed, seconds)
        report.figure(f"{name}_open_us", 1e6 / opening)
        report.figure(f"{name}_seal_us", 1e6 / _rate(cipher.seal_batch, plain, seconds))
        report.figure(f"{name}_added_bytes", SEAL_BYTES)
        report.figure(f"{name}_small_seal_us", 1e6 * seal_cycles(PAYLOAD_BYTES, HEADER_BYTES, suite) / CLOCK_HZ)
        report.figure(f"{name}_small_seal_mj", 1e3 * seal_j(PAYLOAD_BYTES, HEADER_BYTES, suite))
        aes = opening if suite is Suite.AES_128_GCM else aes
    return aes


if __name__ == "__main__":
    main("Ciphers of frames", measure)
