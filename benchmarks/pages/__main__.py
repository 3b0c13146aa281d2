"""How long every page of a full house takes on the server: `python -m benchmarks.pages`.

Every route of the URL configuration is opened by the first role that may, in a house of 200 patients and a million
readings: middleware, policy, queries and template, without network and browser. SQLite, or what DATABASE_URL names.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.pages.house import PATIENTS, READINGS, full_house
from compliance.measuring import Report, main

if TYPE_CHECKING:
    from django.test import Client

    from compliance.models import Patient, User

BAR_MS = 200.0
ROUNDS, QUICK_ROUNDS = 15, 5
SLOWEST_SHOWN = 12
IN_VIEW = 20  # patients of whom the ward board asks for rows and sparklines at once
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def clients(patient: Patient) -> dict[str, Client]:
    """Sign one person of every role in, each in care of the patient or the whole ward."""
    from django.utils import timezone

    from compliance.models import CareRelationship, User
    from compliance.policy import Role
    from compliance.services.demo_factors import ensure_demo_factor

    found = {}
    for role in (role for role in Role if role is not Role.NONE):
        user = User.objects.create(username=f"bench-{role}", role=role)
        if role is Role.PATIENT:
            User.objects.filter(pk=user.pk).update(own_patient=patient)
        else:
            on = {"patient": patient} if role == Role.CAREGIVER else {"ward": patient.ward}
            CareRelationship.objects.create(user=user, starts_at=timezone.now(), **on)
        ensure_demo_factor(user)
        found[str(role)] = signed_in(user)
    return found


def signed_in(user: User) -> Client:
    """Return a browser in which `user` has just proved a second factor, so that every page opens."""
    from django.test import Client

    client = Client(raise_request_exception=True)
    client.force_login(user, backend=BACKEND)
    session = client.session
    session["account_authentication_methods"] = [{"method": "mfa", "type": "totp", "at": time.time()}]
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()
    return client


def timed(client: Client, url: str, rounds: int) -> float | None:
    """Return the median time of a page in ms, or None where this person does not get it."""
    if client.get(url).status_code != 200:
        return None
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        response = client.get(url)
        if response.streaming:
            response.getvalue()
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)


def measure_pages(patient: Patient, rounds: int) -> tuple[dict[str, float], list[str]]:
    """Return the median time by route, and the routes that answer no GET with a page."""
    from tests.system.objects import objects_of
    from tests.system.routes import BELOW_DASH, private_routes

    people = clients(patient)
    if people["nurse"].get("/").content.count(b"data-row ") < PATIENTS:
        raise RuntimeError("the nurse's board does not show the whole ward: what follows would measure an empty house")
    values: dict[str, Any] = {"patient_id": patient.pk, **BELOW_DASH, **objects_of(patient)}
    asked = questions(patient)
    times: dict[str, float] = {}
    for route in private_routes():
        found = _first(route.filled(values) + asked.get(route.template, ""), people, rounds)
        if found is not None:
            times[route.template or "/"] = found
    return times, [route.template for route in private_routes() if (route.template or "/") not in times]


def questions(patient: Patient) -> dict[str, str]:
    """Return what the pages themselves ask, for the routes that answer a question."""
    from compliance.models import Patient

    now = time.time()
    some = Patient.objects.filter(ward=patient.ward).values_list("pk", flat=True)[:IN_VIEW]
    in_view = "?" + "&".join(f"patient={pk}" for pk in some)
    return {
        "ward/whole/": in_view,
        "ward/sparks/": in_view,
        "patients/<uuid:patient_id>/history/": f"?keys=heart_rate,spo2,glucose&from={now - 86_400}&to={now}",
    }


def _first(url: str, people: dict[str, Client], rounds: int) -> float | None:
    for client in people.values():
        found = timed(client, url, rounds)
        if found is not None:
            return found
    return None


def measure(report: Report, options: argparse.Namespace) -> None:
    """Furnish the house and open everything."""
    home = Path(tempfile.mkdtemp(prefix="medtwin-pages-"))
    started = time.perf_counter()
    try:
        with full_house(home, os.environ.get("DATABASE_URL", "")) as (engine, patient):
            logging.getLogger("django.request").setLevel(logging.ERROR)  # pages that take POST only say so each time
            report.figure("engine", engine)
            report.figure("furnishing_s", round(time.perf_counter() - started, 1))
            times, others = measure_pages(patient, QUICK_ROUNDS if report.quick else ROUNDS)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    slowest = sorted(times.items(), key=lambda item: -item[1])
    report.figure("pages_measured", len(times))
    report.figure("median_page_ms", round(statistics.median(times.values()), 1))
    for template, found in slowest[:SLOWEST_SHOWN]:
        report.figure(f"{template} ms", round(found, 1))
    report.bar("slowest_page_median_ms", slowest[0][1], "<", BAR_MS)
    report.note(
        f"{PATIENTS} patients, {READINGS:,} readings of synthetic values; each page opened by the first role that may."
    )
    report.note(f"Not pages (they take POST only, lead elsewhere or need a step first): {', '.join(others)}.")


if __name__ == "__main__":
    main("Pages: server time of every page in a full house", measure)
