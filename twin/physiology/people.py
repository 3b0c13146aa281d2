"""Virtual patients as the emulator's configuration describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from twin.physiology.parameters import Floats


class Condition(StrEnum):
    """What a virtual patient lives with, as far as it moves a signal."""

    TYPE_1_DIABETES = "type_1_diabetes"
    HYPERTENSION = "hypertension"
    COPD = "copd"
    HEART_FAILURE = "heart_failure"
    INFECTION = "infection"


class EpisodeKind(StrEnum):
    """Something that befalls a patient or a device at a moment written in the script."""

    FEVER = "fever"
    TACHYCARDIA = "tachycardia"
    DESATURATION = "desaturation"
    HYPOGLYCAEMIA = "hypoglycaemia"  # after a bolus for a meal that was not eaten: 70 mg/dL is crossed here
    OCCLUSION = "occlusion"  # of the patient's pumps
    MISSED_DOSE = "missed_dose"  # no intake within three hours of the moment
    CURIOSITY = "curiosity"  # the pillbox is opened and nothing is taken


@dataclass(frozen=True, slots=True)
class Episode:
    """One scripted event: at in s since the Unix epoch; strength 1 is the textbook case."""

    kind: EpisodeKind
    at: float
    duration_s: float = 180.0
    strength: float = 1.0

    def envelope(self, t: Floats) -> Floats:
        """Return 0..strength at the times: a smooth rise over the first quarter and fall over the last."""
        into = (t - self.at) / max(self.duration_s, 1.0)
        ramp = np.clip(np.minimum(into, 1.0 - into) * 4.0, 0.0, 1.0)
        return np.asarray(self.strength * ramp * ramp * (3.0 - 2.0 * ramp))

    def covers(self, t: float) -> bool:
        """Tell whether the event lasts at `t`."""
        return self.at <= t < self.at + self.duration_s


@dataclass(frozen=True, slots=True)
class Dose:
    """A tablet expected every day at a local clock time."""

    hour: int
    minute: int
    grams: float


@dataclass(frozen=True, slots=True)
class VirtualPatient:
    """One person of the emulated ward. `devices` maps a device kind to the id of the device that measures it."""

    seed: int
    devices: Mapping[str, int]
    weight_kg: float = 75.0
    age_years: float = 60.0
    sex: str = ""  # as in the record; empty when it is not told
    conditions: frozenset[Condition] = frozenset()
    time_zone: str = "UTC"
    doses: tuple[Dose, ...] = ()
    adherence: float = 0.94
    episodes: tuple[Episode, ...] = field(default=())

    def rng(self, *purpose: int) -> np.random.Generator:
        """Return a generator that depends on this person and the purpose only."""
        return np.random.default_rng([self.seed, *purpose])

    def of_kind(self, kind: EpisodeKind) -> list[Episode]:
        """Return the scripted events of one kind."""
        return [episode for episode in self.episodes if episode.kind is kind]

    def local_hour(self, t: Floats) -> Floats:
        """Return the hour of the day, 0 to 24, in the patient's time zone.

        The offset at the first time holds for all.
        """
        moment = datetime.fromtimestamp(float(t[0]), tz=ZoneInfo(self.time_zone))
        offset = moment.utcoffset() or timedelta(0)
        return np.asarray((t + offset.total_seconds()) / 3600.0 % 24.0)

    def local_date(self, t: float) -> date:
        """Return the day in the patient's time zone."""
        return datetime.fromtimestamp(t, tz=ZoneInfo(self.time_zone)).date()

    def moment(self, day: date, hour: float) -> float:
        """Return the Unix time of a local clock time; `hour` may have a fraction."""
        clock = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.time_zone)) + timedelta(hours=hour)
        return clock.astimezone(UTC).timestamp()


def virtual_patient(described: Mapping[str, Any]) -> VirtualPatient:
    """Read one patient of the configuration. Raises KeyError or ValueError when it makes no sense."""
    doses = []
    for dose in described.get("doses", ()):
        hour, minute = (int(part) for part in dose["local"].split(":"))
        doses.append(Dose(hour, minute, float(dose["grams"])))
    episodes = [
        Episode(EpisodeKind(e["kind"]), float(e["at"]), float(e.get("duration_s", 180)), float(e.get("strength", 1)))
        for e in described.get("episodes", ())
    ]
    return VirtualPatient(
        seed=int(described["seed"]),
        devices={str(kind): int(device) for kind, device in described["devices"].items()},
        weight_kg=float(described.get("weight_kg") or 75.0),
        age_years=float(described.get("age_years") or 60.0),
        sex=str(described.get("sex") or ""),
        conditions=frozenset(Condition(name) for name in described.get("conditions", ())),
        time_zone=str(described.get("time_zone", "UTC")),
        doses=tuple(doses),
        adherence=float(described.get("adherence", 0.94)),
        episodes=tuple(episodes),
    )
