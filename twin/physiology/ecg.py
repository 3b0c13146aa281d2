"""One lead of the electrocardiogram: five bell curves on the heart's phase, a beat at a time that the breath bends.

McSharry, Clifford, Tarassenko and Smith, "A dynamical model for generating synthetic electrocardiogram signals", IEEE
Trans Biomed Eng 50 (2003) 289-294: the limit cycle's closed form. Angles, sizes and widths of P, Q, R, S and T are
the paper's table I, the dependence on heart rate is that of its program ECGSYN, and the low- and high-frequency parts
of the beat-to-beat variation are the paper's bimodal spectrum (0.1 Hz and the breath).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.physiology.noise import Wander, hashed_normal
from twin.physiology.parameters import Floats

SAMPLE_RATE_HZ = 250
BLOCK_SAMPLES = 125
ANGLES = np.radians([-70.0, -15.0, 0.0, 15.0, 100.0])  # P, Q, R, S, T
SIZES = np.array([1.2, -5.0, 30.0, -7.5, 0.75])
WIDTHS = np.array([0.25, 0.1, 0.1, 0.1, 0.4])
MV_PER_UNIT = 3.6  # the model's R wave of 0.3 units becomes about 1.1 mV
LOW_FREQUENCY_DEPTH = 0.022
BREATH_DEPTH = 0.03


def wave_mv(phase: Floats, heart_rate: float) -> Floats:
    """Return the potential in mV, float64[n], at the heart's phases (rad; 0 is the R peak) at that rate in 1/min."""
    factor = np.sqrt(np.clip(heart_rate, 35.0, 210.0) / 60.0)
    angles = ANGLES * np.array([np.sqrt(factor), factor, 1.0, factor, np.sqrt(factor)])
    widths = WIDTHS * factor
    away = (phase[:, None] - angles + np.pi) % (2.0 * np.pi) - np.pi
    # Integrating the paper's dz/dt along the phase gives size * width^2 for each bell.
    return np.asarray((SIZES * WIDTHS**2 * np.exp(-0.5 * (away / widths) ** 2)).sum(axis=1) * MV_PER_UNIT)


class Heart:
    """A heart that beats on from block to block: the phases of beat and breath are its only memory."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._seed = int(rng.integers(1 << 62))
        self._low = Wander.band(rng, 0.1, 0.01, modes=8)
        self._beat = float(rng.uniform(0.0, 2.0 * np.pi))
        self._breath = float(rng.uniform(0.0, 2.0 * np.pi))

    def block(self, t0: float, heart_rate: float, respiration_rate: float) -> Floats:
        """Return the next BLOCK_SAMPLES samples in mV, of which the first is at `t0`; rates in 1/min."""
        dt = 1.0 / SAMPLE_RATE_HZ
        t = t0 + np.arange(BLOCK_SAMPLES, dtype=np.float64) * np.float64(dt)
        breath = self._breath + 2.0 * np.pi * respiration_rate / 60.0 * dt * np.arange(1, BLOCK_SAMPLES + 1)
        bend = 1.0 + LOW_FREQUENCY_DEPTH * self._low.at(t) + BREATH_DEPTH * np.sin(breath)
        beat = self._beat + np.cumsum(2.0 * np.pi * heart_rate / 60.0 * dt * bend)
        self._beat, self._breath = float(beat[-1] % (2.0 * np.pi)), float(breath[-1] % (2.0 * np.pi))
        index: NDArray[np.int64] = np.rint(t * SAMPLE_RATE_HZ).astype(np.int64)
        return np.asarray(wave_mv(beat, heart_rate) + 0.04 * np.sin(breath) + 0.008 * hashed_normal(self._seed, index))
