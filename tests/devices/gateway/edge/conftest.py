from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from devices.emulator.plant import Command, Outcome, Sample
from devices.gateway.edge.guard import Guard
from devices.gateway.edge.journal import Journal
from devices.gateway.edge.rules import EdgeConfig, Pair
from devices.kinds.registry import by_key
from devices.protocol.facts import Fact

CGM, PUMP, DRIP = 7, 8, 9
KINDS = {CGM: "cgm", PUMP: "insulin_pump", DRIP: "infusion_pump"}
T0 = 1_800_000_000.0
MINUTE = 60.0


class Pumps:
    """An actuator that notes its commands and answers as it is told."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.answer: Outcome | Exception = Outcome(True)

    def carry_out(self, command: Command, t: float) -> Outcome:
        self.commands.append(command)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    @property
    def kinds(self) -> list[str]:
        return [command.kind.value for command in self.commands]


class Bedside:
    """A guard over one person's devices, fed by hand; `facts` is all that it told."""

    def __init__(self, path: Path, *, actuate: bool = True, **config: object) -> None:
        self.path, self.pumps = path, Pumps()
        self.config = EdgeConfig(actuate=actuate, pairs=(Pair(CGM, PUMP),), **config)  # type: ignore[arg-type]
        self.now, self.facts, self.online = T0, list[Fact](), False
        self.guard = self.start()

    def start(self) -> Guard:
        self.guard = Guard(self.config, KINDS, Journal(self.path / "edge.json"), self.pumps)
        self.guard.online = lambda: self.online
        return self.guard

    def see(self, key: str, value: float, device: int, *, age_s: float = 0.0) -> None:
        self.look([Sample(device, by_key(key).code, self.now - age_s, value)])

    def look(self, samples: Iterable[Sample] = ()) -> None:
        self.facts += self.guard.look(samples, self.now)

    def glucose(self, *values: float, every_min: float = 5.0) -> None:
        for value in values:
            self.see("glucose", value, CGM)
            self.now += every_min * MINUTE

    def wait(self, minutes: float) -> None:
        for _ in range(round(minutes)):
            self.now += MINUTE
            self.look()

    def told(self) -> list[tuple[str, str]]:
        return [(fact.rule, fact.kind.value) for fact in self.facts]


@pytest.fixture
def bedside(tmp_path: Path) -> Callable[..., Bedside]:
    return lambda **config: Bedside(tmp_path, **config)
