"""The same traffic with security and without, in peace and under attack: `python -m benchmarks.security [--quick]`.

Two servers on one house: the product as it is, and the lab's receiver, which is the product's own path with nothing
sealed and nobody asked who he is (tests/lab/receiver.py, on a house made for that). Honest gateways send, lose their
line once and come back; meanwhile three attacks of the lab are made on both. Every repeat measures all of it once, in
an order of its own. `--keep` writes the file that the energy page shows.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.common.database import fresh_database
from benchmarks.security.house import FILES, GATEWAYS, Gateways, House, Outcome, Stand, Trial, prepare, serve
from compliance.measuring import Report, main
from devices.energy.measured import ATTACKS, FILE, NONE, Cell, Measured, Spread, figures, in_words

REPEATS, QUICK_REPEATS = 5, 1
TRIAL, QUICK_TRIAL = Trial(8.0, 2.0, 1_500), Trial(2.5, 1.0, 1_200)
SEED = 20
COMMAND = "python -m benchmarks.security --keep"
Key = tuple[str, bool]
NOTES = (
    "Loopback, no TLS on either side; gateways seal with the compiled cipher. Both servers may open 1,024 files.",
    "Without security: no challenge is answered, no tag, no replay window, no credit, stock Daphne without our bounds.",
    "Ranges are the least and the most of the repeats; a difference counts where two ranges do not touch.",
)
ONE = "One repeat has no range: of noise it says nothing, and it is not kept."


def measure(report: Report, options: argparse.Namespace) -> None:
    """Fill the report, and keep the run where that was asked."""
    repeats, trial = (QUICK_REPEATS, QUICK_TRIAL) if options.quick else (REPEATS, TRIAL)
    found = _run(repeats, trial)
    cells = tuple(cell_of(attack, secured, found[attack, secured]) for attack in ATTACKS for secured in (True, False))
    run = Measured(COMMAND, machine(), SEED, repeats, trial.seconds, GATEWAYS, trial.strangers, FILES, cells)
    for cell in run.cells:
        _fill(report, cell)
    _compare(report, run)
    for sentence in (*in_words(run), *NOTES, *([ONE] if options.quick else [])):
        report.note(sentence)
    if options.keep and not options.quick:
        FILE.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n")


def _run(repeats: int, trial: Trial) -> dict[Key, list[Outcome]]:
    """Measure everything `repeats` times, in an order that is drawn anew each time."""
    home = Path(tempfile.mkdtemp(prefix="medtwin-security-"))
    keys = [(attack, secured) for attack in ATTACKS for secured in (True, False)]
    found: dict[Key, list[Outcome]] = {key: [] for key in keys}
    draw = random.Random(SEED)
    try:
        with fresh_database(home), ExitStack() as opened:
            _broker(home, opened)
            prepare(home)
            house = House(turns=repeats * len(ATTACKS))
            environment = os.environ | {"ALLOWED_HOSTS": "127.0.0.1"}
            ports = {secured: opened.enter_context(serve(secured, home, environment)) for secured in (True, False)}
            gateways = Gateways(home)
            opened.callback(gateways.end)
            stand, turns = Stand(house, gateways, ports, trial), dict.fromkeys((True, False), 0)
            for _ in range(repeats):
                for attack, secured in draw.sample(keys, len(keys)):
                    turn, turns[secured] = turns[secured], turns[secured] + 1
                    found[attack, secured].append(stand.measure(attack, secured, turn))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return found


def _broker(home: Path, opened: ExitStack) -> None:
    from django.conf import settings

    from twin.embedded import start_valkey

    broker = start_valkey(settings.VALKEY_SOCKET, home / "valkey")
    opened.callback(broker.wait, 10)
    opened.callback(broker.terminate)  # the last one is called first


def cell_of(attack: str, secured: bool, outcomes: list[Outcome]) -> Cell:
    """Return the middles and ranges of the repeats."""
    return Cell(
        attack=attack,
        secured=secured,
        latency_ms=_of_those_there(one.latency_ms for one in outcomes),
        alert_ms=_of_those_there(one.alert_ms for one in outcomes),
        alerted=_spread(one.alerted for one in outcomes),
        arrived=_spread(one.arrived for one in outcomes),
        true=_spread(one.true for one in outcomes),
        false=_spread(one.false for one in outcomes),
        named_s=_of_those_there(one.named_s for one in outcomes),
    )


def _of_those_there(values: Iterable[float | None]) -> Spread | None:
    """Return the spread of a figure that was there in most repeats; None for one that mostly was not."""
    found = list(values)
    there = [value for value in found if value is not None]
    return _spread(there) if 2 * len(there) > len(found) else None


def _spread(values: Iterable[float]) -> Spread:
    known = list(values)
    return Spread(*(float(f"{value:.3g}") for value in (median(known), min(known), max(known))))


def machine() -> str:
    """Return what this ran on, without a date or a name."""
    cores = os.cpu_count() or 1
    python = ".".join(platform.python_version_tuple()[:2])
    where = f"{cores} shared cores ({platform.machine()}), {platform.system()}, Python {python}, SQLite"
    return f"{where}; servers, gateways and attackers on the same machine"


def _fill(report: Report, cell: Cell) -> None:
    name = f"{cell.attack}_{'with' if cell.secured else 'without'}"
    for what, spread in (
        ("latency_ms", cell.latency_ms),
        ("alert_ms", cell.alert_ms),
        ("alerted_share", cell.alerted),
        ("arrived_share", cell.arrived),
        ("fresh_and_true_share", cell.true),
        ("false_share", cell.false),
        ("named_after_s", cell.named_s),
    ):
        report.figure(f"{name}_{what}", shown(spread))


def shown(spread: Spread | None) -> str:
    """Return middle and range in two digits each."""
    if spread is None:
        return "never"
    return f"{figures(spread.median)} ({figures(spread.low)} to {figures(spread.high)})"


def _compare(report: Report, run: Measured) -> None:
    for attack in run.attacks:
        with_it, without = run.of(attack, secured=True), run.of(attack, secured=False)
        if with_it.latency_ms and without.latency_ms:
            ratio = figures(with_it.latency_ms.median / without.latency_ms.median)
            noise = "" if with_it.latency_ms.apart(without.latency_ms) else ", within the noise"
            report.figure(f"{attack}_latency_ratio_with_to_without", f"{ratio}{noise}")
        if attack != NONE:
            report.bar(f"{attack}_with_security_is_named", float(with_it.named_s is not None), "==", 1)
            report.bar(f"{attack}_with_security_false_share", with_it.false.high, "==", 0)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keep", action="store_true", help="write the file that the energy page shows")


if __name__ == "__main__":
    main("Security: what it costs in time, and what it keeps", measure, _arguments)
