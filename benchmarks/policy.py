"""What comparing two policies costs: `python -m benchmarks.policy`.

200 patients with a device each on four wards, and 60 members of staff of whom no two stand alike; the other policy
takes most rights of nurses, gives others to trainers and asks for a second factor of physicians, so that most decisions
turn. The page and the file are measured as a browser asks for them, without network. The ratio is that of asking the
engine about every person, right and thing one by one, in the same run. SQLite, or what DATABASE_URL names.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.common.database import fresh_database
from compliance.measuring import Report, main

if TYPE_CHECKING:
    from compliance.models import User
    from compliance.policy import Policy

PATIENTS, STAFF, WARDS = 200, 60, 4
ROLES = ["nurse"] * 6 + ["physician"] * 2 + ["trainer", "administrator"]
BAR_MS, LEAST_RATIO = 1000.0, 5.0
LOCKING = """
[[rules]]
name = "everything is confirmed"
effect = "confirm"
roles = ["physician"]
because = "every look waits for a second factor"

[[rules]]
name = "no devices in quarantine"
effect = "refuse"
roles = ["administrator"]
actions = ["devices.view_device"]
device_states = ["active"]
because = "only to see that each device is told apart"
"""


def furnish() -> User:
    """Fill the house and return an administrator of all its wards."""
    from django.utils import timezone

    from compliance.models import CareRelationship, Patient, User, Ward
    from compliance.services.demo_factors import ensure_demo_factor
    from devices.services.registry import register_device, register_gateway

    now = timezone.now()
    wards = [Ward.objects.create(name=f"Ward {number}") for number in range(WARDS)]
    gateways = [register_gateway(name=f"gateway {ward.pk}", ward=ward, public_key=bytes(32)) for ward in wards]
    patients = [
        Patient.objects.create(
            medical_record_number=f"B-{number:04}", given_name=f"Given{number}", family_name=f"Family{number}",
            birth_date=date(1950, 1, 1), ward=wards[number % WARDS], bed=str(number),
        )
        for number in range(PATIENTS)
    ]  # fmt: skip
    for number, patient in enumerate(patients):
        gateway = gateways[number % WARDS]
        register_device(serial=f"B-{number}", kind="cgm", label="Glucose monitor", gateway=gateway, patient=patient)
    for number in range(STAFF):
        person = User.objects.create(username=f"staff-{number}", role=ROLES[number % len(ROLES)])
        CareRelationship.objects.create(user=person, ward=wards[number % WARDS], starts_at=now)
        CareRelationship.objects.create(user=person, patient=patients[(7 * number) % PATIENTS], starts_at=now)
    boss = User.objects.filter(role="administrator").earliest("pk")
    for ward in wards:
        CareRelationship.objects.get_or_create(user=boss, ward=ward, defaults={"starts_at": now})
    ensure_demo_factor(boss)
    return boss


def other_text() -> str:
    """Return a policy under which most decisions are another."""
    from compliance.policy import house_text

    whole = house_text()
    start, end = whole.index("[rights.nurse]"), whole.index("[rights.physician]")
    text = f'{whole[:start]}[rights.nurse]\n"compliance.view_patient" = "linked"\n\n{whole[end:]}'
    trainers = '[rights.trainer]\n"compliance.prescribe" = "ward"\n"compliance.view_report" = "ward"\n'
    return text.replace("[rights.trainer]\n", trainers) + LOCKING


def one_by_one(before: Policy, after: Policy) -> int:
    """Ask the engine about everything and return how many decisions turn."""
    from django.utils import timezone

    from compliance.models import User
    from compliance.policy import ACTIONS, decide
    from compliance.selectors.effects import effects
    from compliance.selectors.policy import subjects_of

    found = effects(before, after, timezone.now())
    users = list(User.objects.exclude(role="none"))
    old, new = subjects_of(users, before, found.when.at), subjects_of(users, after, found.when.at)
    return sum(
        decide(before, old[user.pk], action, found.when, thing.resource)
        != decide(after, new[user.pk], action, found.when, thing.resource)
        for user in users
        for action in ACTIONS
        for thing in found.things
    )


def median_ms(act: Callable[[], object], rounds: int) -> float:
    """Return the median time of `act` in ms."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        act()
        times.append(time.perf_counter() - started)
    return round(1000 * statistics.median(times), 1)


def measure(report: Report, options: argparse.Namespace) -> None:
    """Fill the report."""
    home = Path(tempfile.mkdtemp(prefix="medtwin-policy-"))
    try:
        with fresh_database(home, os.environ.get("DATABASE_URL", "")) as engine:
            report.figure("engine", engine)
            _measure_here(report, 5 if options.quick else 15)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _measure_here(report: Report, rounds: int) -> None:
    from django.utils import timezone

    from benchmarks.pages.__main__ import signed_in
    from compliance.policy import house_policy, read_policy
    from compliance.selectors.effects import effects
    from compliance.services.policy import put_down

    boss, text, now = furnish(), other_text(), timezone.now()
    version, before, after = put_down(text=text, note="", by=None, now=now), house_policy(), read_policy(text)
    turned = len(effects(before, after, now))
    report.figure("decisions_that_turn", turned)
    sets_ms = median_ms(lambda: effects(before, after, now), rounds)
    report.figure("found_ms", sets_ms)
    started = time.perf_counter()
    one_by_one(before, after)
    slowly_ms = 1000 * (time.perf_counter() - started)
    report.figure("one_by_one_ms", round(slowly_ms, 1))
    report.bar("ratio_one_by_one_to_found", round(slowly_ms / sets_ms, 1), ">=", LEAST_RATIO)
    client, asked = signed_in(boss), {"left": "0", "right": str(version.pk)}
    assert client.get("/policy/compare/", asked).status_code == 200
    report.bar("page_ms", median_ms(lambda: client.get("/policy/compare/", asked), rounds), "<", BAR_MS)
    last = {**asked, "page": "99999"}
    report.bar("last_page_ms", median_ms(lambda: client.get("/policy/compare/", last), rounds), "<", BAR_MS)
    answer = client.get("/policy/compare/file/", asked)
    report.figure("file_rows", len(answer.content.splitlines()) - 1)
    report.figure("file_ms", median_ms(lambda: client.get("/policy/compare/file/", asked), max(rounds // 3, 1)))


if __name__ == "__main__":
    main("Comparing two policies", measure)
