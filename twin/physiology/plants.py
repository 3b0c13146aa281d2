"""The emulated ward as a gateway's plant: `build` reads the configuration, `WardPlant.advance` says what was measured.

Options: `patients` (see `people.virtual_patient`), `scanners` (device ids), periods in seconds (`cgm_period_s`,
`vital_period_s`, `cuff_period_s`, `pump_period_s`, `pillbox_period_s`, `scanner_period_s`, `spirometer_period_s`),
`backfill_s` and `mark_file`. Devices keep measuring while their gateway is away: the time of the last call is kept in
`mark_file`, and on the next start the gap, at most `backfill_s`, arrives thinned out with its true times.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

from devices.emulator.plant import Block, Command, Outcome, Sample
from twin.physiology.bedside import GlucoseMonitor, InfusionPump, InsulinPump, Source, VitalMonitor
from twin.physiology.body import Bodies
from twin.physiology.people import Condition, VirtualPatient, virtual_patient
from twin.physiology.room import MagnetScanner, SmartPillbox
from twin.physiology.spirometry import Spirometer

PERIODS_S = {"cgm": 20.0, "vital": 2.0, "cuff": 60.0, "pump": 20.0, "pillbox": 60.0, "scanner": 10.0}
PERIODS_S["spirometer"] = 3600.0  # between sessions; a patient at home blows twice a day
COARSE_BEYOND_S = 60.0  # a longer silence is told as thinned history
MARK_EVERY_S = 30.0
_moment = attrgetter("t")


def build(devices: list[dict[str, Any]], options: Mapping[str, Any]) -> WardPlant:
    """Build the plant for a gateway's devices.

    Raises ValueError when a patient wears a device that the gateway has not.
    """
    known = {int(device["device_id"]) for device in devices}
    people = [virtual_patient(described) for described in options.get("patients", ())]
    scanners = [int(device) for device in options.get("scanners", ())]
    strangers = {device for who in people for device in who.devices.values()}.union(scanners) - known
    if strangers:
        raise ValueError(f"the plant's options name devices that this gateway does not have: {sorted(strangers)}")
    return WardPlant(people, scanners, options)


class WardPlant:
    """The people behind one gateway and everything that measures them."""

    def __init__(self, people: list[VirtualPatient], scanners: list[int], options: Mapping[str, Any]) -> None:
        self._people, self._scanners = people, scanners
        self._periods = {name: float(options.get(f"{name}_period_s", usual)) for name, usual in PERIODS_S.items()}
        self._backfill_s = float(options.get("backfill_s", 0.0))
        self._mark = Path(options["mark_file"]) if options.get("mark_file") else None
        self._bodies: Bodies | None = None
        self._sources: list[Source] = []
        self._last: float | None = None
        self._marked = 0.0

    def advance(self, t: float) -> Iterable[Sample | Block]:
        """Return what was measured since the last call, up to `t` (s since the Unix epoch), in order of time."""
        if self._bodies is None or self._last is None:
            self._start(t)
        bodies, last = self._bodies, self._last
        if bodies is None or last is None or t <= last:
            return []
        bodies.advance(t)
        measured: list[Sample | Block] = []
        if t - last > COARSE_BEYOND_S:
            for source in self._sources:
                measured.extend(source.emit(last, t - 1.0, True))
            last = t - 1.0
        for source in self._sources:
            measured.extend(source.emit(last, t, False))
        measured.sort(key=_time_of)
        self._last = t
        self._keep_mark(t)
        return measured

    def carry_out(self, command: Command, t: float) -> Outcome:
        """Have a pump of this ward obey; an `Actuator`."""
        if self._bodies is None:
            self._start(t)
        pump = next(
            (one for one in self._sources if isinstance(one, InsulinPump) and one.device == command.device_id), None
        )
        return pump.carry_out(command, t) if pump else Outcome(False, "there is no such insulin pump here")

    def _start(self, t: float) -> None:
        self._bodies = Bodies([who for who in self._people if Condition.TYPE_1_DIABETES in who.conditions], t)
        self._sources = [source for who in self._people for source in self._worn_by(who, self._bodies)]
        self._sources += [MagnetScanner(device, self._periods["scanner"]) for device in self._scanners]
        self._last = max(self._read_mark(), t - self._backfill_s)
        self._last = min(self._last, t - 0.001)  # a clock that was set back starts no history

    def _worn_by(self, who: VirtualPatient, bodies: Bodies) -> Iterable[Source]:
        """Yield the devices of one person. Devices about glucose need a person whose glucose is simulated."""
        worn, periods = who.devices, self._periods
        column = bodies.people.index(who) if who in bodies.people else None
        if column is not None and "cgm" in worn:
            yield GlucoseMonitor(worn["cgm"], who, bodies, column, periods["cgm"])
        if column is not None and "insulin_pump" in worn:
            yield InsulinPump(worn["insulin_pump"], who, bodies, column, periods["pump"])
        if "infusion_pump" in worn:
            yield InfusionPump(worn["infusion_pump"], who, periods["pump"])
        if "vital_signs_monitor" in worn:
            body = None if column is None else (bodies, column)
            yield VitalMonitor(worn["vital_signs_monitor"], who, body, periods["vital"], periods["cuff"])
        if "smart_pillbox" in worn:
            yield SmartPillbox(worn["smart_pillbox"], who, periods["pillbox"])
        if "spirometer" in worn:
            yield Spirometer(worn["spirometer"], who, periods["spirometer"])

    def _read_mark(self) -> float:
        if self._mark is not None:
            with contextlib.suppress(OSError, ValueError):  # the first start, or a mark cut short by a power failure
                return float(self._mark.read_text())
        return 0.0

    def _keep_mark(self, t: float) -> None:
        if self._mark is not None and t - self._marked >= MARK_EVERY_S:
            draft = self._mark.with_suffix(".new")
            draft.write_text(repr(t))
            draft.replace(self._mark)
            self._marked = t


def _time_of(measured: Sample | Block) -> float:
    return measured.t if isinstance(measured, Sample) else measured.t0
