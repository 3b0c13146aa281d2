"""Readings as they travel inside the server, and the stores that keep them."""

from devices.telemetry.batch import READING, ReadingBatch, Waveform

__all__ = ["READING", "ReadingBatch", "Waveform"]
