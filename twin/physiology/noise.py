"""Stationary random processes as closed functions of time.

An emulator that restarts must go on where it was, and two processes must agree on the value at 12:00:02. So instead of
stepping an autoregression from a hidden state, its Gaussian process is written as a sum of cosines with random
frequencies and phases drawn once from the seed (spectral representation: Shinozuka and Deodatis, Appl Mech Rev 1991).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Wander:
    """A zero-mean, unit-variance process with the Lorentzian spectrum of a first-order autoregression.

    omega, phase: float64[modes], rad/s and rad.
    """

    omega: Floats
    phase: Floats

    @classmethod
    def drawn(cls, rng: np.random.Generator, correlation_time_s: float, modes: int = 16) -> Wander:
        """Draw a process whose autocorrelation falls to 1/e after `correlation_time_s`.

        The Lorentzian's angular frequencies are Cauchy distributed with scale 1/correlation time; one is taken from
        each of `modes` equally likely strata, so that a single draw already has the right spectrum, and the tail
        above 99 % is left out: it would be white noise, which each sensor adds for itself.
        """
        strata = (np.arange(modes) + rng.random(modes)) / modes * 0.99
        omega = np.tan(strata * np.pi / 2.0) / correlation_time_s
        return cls(omega, rng.uniform(0.0, 2.0 * np.pi, modes))

    @classmethod
    def band(cls, rng: np.random.Generator, centre_hz: float, width_hz: float, modes: int = 16) -> Wander:
        """Draw a narrow-band process: frequencies normal around `centre_hz` with standard deviation `width_hz`."""
        frequency = np.abs(rng.normal(centre_hz, width_hz, modes))
        return cls(2.0 * np.pi * frequency, rng.uniform(0.0, 2.0 * np.pi, modes))

    def at(self, t_s: Floats) -> Floats:
        """Return the values, float64[n], at the times float64[n] in seconds."""
        angle = np.multiply.outer(t_s, self.omega) + self.phase
        return np.asarray(np.sqrt(2.0 / self.omega.size) * np.cos(angle).sum(axis=-1))


def hashed_normal(seed: int, index: NDArray[np.int64]) -> Floats:
    """Return standard normal white noise that depends only on `seed` and the sample's index (int64[n]).

    Counter based: a splitmix64 hash of the index gives two uniforms, Box-Muller turns them into a normal.
    """
    start = np.uint64((seed * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)
    with np.errstate(over="ignore"):  # wrapping at 64 bits is the hash
        state = start + index.astype(np.uint64) * np.uint64(2)
        first, second = _uniform(state), _uniform(state + np.uint64(1))
    return np.asarray(np.sqrt(-2.0 * np.log(first)) * np.cos(2.0 * np.pi * second))


def _uniform(counter: NDArray[np.uint64]) -> Floats:
    """Return uniforms in (0, 1] from counters, by the finaliser of splitmix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    x = counter * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x = x ^ (x >> np.uint64(31))
    return np.asarray(((x >> np.uint64(11)).astype(np.float64) + 1.0) * 2.0**-53)
