"""The two servers of `benchmarks.security` on one house, and one measurement of one of them under one attack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf, isfinite
from pathlib import Path
from statistics import median_low
from typing import Any

from benchmarks.common.lines import free_port
from benchmarks.ingest.processes import ROOT, wait_for_port
from benchmarks.security.pulse import is_true
from compliance.measuring import Absent
from devices.energy.measured import CROWD, NONE, REPLAY, TRICKLE

GATEWAYS = 6
FILES = 1024  # that a server may open: what a small machine gives a process
EVERY_S = 0.5  # between two values of a monitor
FRESH_S = 2.0
LOOK_S = 0.1
CUT_AT_S = 0.5  # every gateway loses its line, as lines are lost in life, and has to come in again
CALM_AFTER_S = 0.7
MARK = "made-to-be-attacked"  # tests/lab/receiver.py serves no home without it
EVENTS = {
    NONE: (),
    REPLAY: ("gateway_refused", "frame_replayed", "frame_forged"),
    CROWD: ("connection_crowded_out",),
    TRICKLE: ("connection_too_slow", "connection_crowded_out"),
}
SECURED = [sys.executable, "-m", "twin.daphne", "-v", "0", "-e", "tcp:port={port}:interface=127.0.0.1:backlog=2048"]
SERVERS = {
    True: [*SECURED, "twin.asgi:application"],
    False: [sys.executable, "-m", "tests.vulnerable", "{port}"],
}


@dataclass(frozen=True)
class Trial:
    """How long and hard one measurement is. lead_s: for an attack to unfold, not counted. strangers: in a crowd."""

    seconds: float
    lead_s: float
    strangers: int


@dataclass
class Outcome:
    """What one measurement found. Shares are 0..1.

    latency_ms, alert_ms: medians in which what never arrived counts as never; None where that is the median itself.
    named_s: None where no event named the attack.
    """

    latency_ms: float | None
    alert_ms: float | None
    alerted: float
    arrived: float
    true: float
    false: float
    named_s: float | None


@dataclass
class Looks:
    """What somebody who looks at the ward ten times a second saw of its monitors."""

    seen: int = 0
    true: int = 0
    false: int = 0
    named_s: float | None = None
    codes: tuple[str, ...] = ()
    known: int = 0
    began: float = field(default_factory=time.monotonic)


def prepare(home: Path) -> None:
    """Say that this home may be attacked."""
    (home / MARK).touch()


class House:
    """Gateways, monitors and glucose sensors of people, for each of the two servers. turns: measurements of each."""

    def __init__(self, turns: int) -> None:
        from compliance.models import Ward

        self.ward = Ward.objects.create(name="Bench")
        self._turns = turns
        self.gateways = {secured: self._register("sealed" if secured else "open", turns) for secured in SERVERS}

    def _register(self, name: str, turns: int) -> list[dict[str, Any]]:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from django.conf import settings

        from compliance.models import Patient
        from compliance.secretbox import SecretBox
        from devices.models import Device, Gateway

        box = SecretBox(settings.FIELD_KEY, "device-key")
        found = []
        for number in range(GATEWAYS):
            key = Ed25519PrivateKey.generate()
            public = key.public_key().public_bytes_raw()
            gateway = Gateway.objects.create(name=f"{name} {number}", ward=self.ward, public_key=public)
            devices = []
            for place in range(turns + 1):
                serial = f"{name}-{number}-{place}"
                person = Patient.objects.create(
                    medical_record_number=serial,
                    given_name="A",
                    family_name="B",
                    birth_date="1960-01-01",
                    ward=self.ward,
                )
                secret, kind = os.urandom(16), "cgm" if place else "vital_signs_monitor"
                device = Device.objects.create(
                    serial=serial, kind=kind, label=kind, gateway=gateway, patient=person, key_sealed=box.seal(secret)
                )
                devices.append({"id": device.pk, "key": secret.hex()})
            own = {
                "id": gateway.pk,
                "key": key.private_bytes_raw().hex(),
                "monitor": devices[0],
                "sensors": devices[1:],
            }
            found.append(own)
        return found

    def plan(self, port: int, secured: bool, turn: int, trial: Trial) -> dict[str, Any]:
        """Return what the honest gateways do in a measurement: one danger each, spread over the time."""
        gateways = [
            {
                "id": own["id"],
                "key": own["key"],
                "monitor": own["monitor"],
                "endangered": [own["sensors"][turn]],
                "danger_at_s": trial.seconds * (number + 0.5) / GATEWAYS,
            }
            for number, own in enumerate(self.gateways[secured])
        ]
        return {
            "port": port,
            "sealed": secured,
            "gateways": gateways,
            "first": (turn + 1) * 10_000_000,
            "seconds": trial.seconds,
            "lead_s": trial.lead_s,
            "cut_at_s": CUT_AT_S,
            "every_s": EVERY_S,
        }


@contextmanager
def serve(secured: bool, home: Path, environment: dict[str, str]) -> Iterator[int]:
    """Run a server with a small machine's number of files until the block ends; yield its port."""
    port, log = free_port(), home / f"server-{int(secured)}.log"
    command = [part.format(port=port) for part in SERVERS[secured]]
    bounded = ["/bin/sh", "-c", f'ulimit -n {FILES} && exec "$@"', "sh", *command]
    with log.open("ab") as out:
        process = subprocess.Popen(bounded, cwd=ROOT, env=environment, stdout=out, stderr=out)
    try:
        wait_for_port(port, process, log)
        yield port
    finally:
        process.terminate()
        process.wait(30)


class Gateways:
    """The process of the honest ones."""

    def __init__(self, home: Path) -> None:
        self._log = home / "load.log"
        with self._log.open("ab") as errors:
            command = [sys.executable, "-m", "benchmarks.security.load"]
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )

    def ask(self, line: str) -> None:
        """Say a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """Return what it says next. Raises Absent with its last words when it ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Absent(f"gateways that are let in: {self._log.read_text()[-600:]}")
        return json.loads(line)

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


@dataclass(frozen=True)
class Stand:
    """Everything that a measurement needs. ports: of the two servers, by whether it is secured."""

    house: House
    gateways: Gateways
    ports: Mapping[bool, int]
    trial: Trial

    def measure(self, attack: str, secured: bool, turn: int) -> Outcome:
        """Measure one server under one attack, once. turn: how many measurements it had before."""
        port, trial = self.ports[secured], self.trial
        plan = self.house.plan(port, secured, turn, trial)
        self.gateways.ask(json.dumps(plan))
        recorded = self.gateways.answer()
        looks = Looks(codes=EVENTS[attack])
        looks.known = _named(looks.codes)
        attacked = {"attack": attack, "port": port, "recorded": recorded, "strangers": trial.strangers, "seed": turn}
        with _attackers(attacked):
            looks.began = time.monotonic()
            self.gateways.ask("go")
            _look(looks, [], trial.lead_s)
            _look(looks, [own["monitor"]["id"] for own in plan["gateways"]], trial.seconds)
            found = _outcome(self.gateways.answer(), looks)
        time.sleep(CALM_AFTER_S)
        return found


@contextmanager
def _attackers(plan: dict[str, Any]) -> Iterator[None]:
    if plan["attack"] == NONE:
        yield
        return
    command = [sys.executable, "-m", "benchmarks.security.attackers"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(plan) + "\n")
        process.stdin.flush()
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.communicate()


def _look(looks: Looks, monitors: list[int], seconds: float) -> None:
    """Look at the ward for so long, and for the event that names the attack."""
    from devices.kinds.registry import by_key
    from devices.services.telemetry import store

    pulse, telemetry = by_key("heart_rate").code, store()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if looks.codes and looks.named_s is None and _named(looks.codes) > looks.known:
            looks.named_s = time.monotonic() - looks.began
        if monitors:
            now = time.time()
            newest = {one.device: one for one in telemetry.latest(monitors) if one.metric == pulse}
            for one in newest.values():
                known = is_true(one.t, one.value)
                looks.true += known and now - one.t <= FRESH_S
                looks.false += not known
            looks.seen += len(monitors)
        time.sleep(LOOK_S)


def _named(codes: tuple[str, ...]) -> int:
    from django.db.models import Sum

    from compliance.models import Event

    return Event.objects.filter(code__in=codes).aggregate(count=Sum("count"))["count"] or 0


def _outcome(heard: list[list[Any]], looks: Looks) -> Outcome:
    from twin.models import Alert

    dangers = {device: made for device, made, _, danger in heard if danger}
    raised = dict(Alert.objects.filter(device__in=dangers, rule="glucose_low").values_list("device_id", "raised_at"))
    delays_s = [raised[device].timestamp() - made if device in raised else inf for device, made in dangers.items()]
    took_s = [inf if acked is None else acked - made for _, made, acked, danger in heard if not danger]
    return Outcome(
        latency_ms=_median_ms(took_s),
        alert_ms=_median_ms(delays_s),
        alerted=len(raised) / len(dangers),
        arrived=sum(one <= FRESH_S for one in took_s) / len(took_s),
        true=looks.true / looks.seen,
        false=looks.false / looks.seen,
        named_s=looks.named_s,
    )


def _median_ms(times_s: list[float]) -> float | None:
    middle = median_low(times_s)
    return 1e3 * middle if isfinite(middle) else None
