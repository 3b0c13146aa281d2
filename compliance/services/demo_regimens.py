"""Medication plans for a demonstration, with sixty made-up days behind them. Every made-up row says that it is one."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np
from django.db import transaction
from django.utils import timezone

from compliance.adherence.fusion import Finding
from compliance.adherence.generator_phases import Phases, person
from compliance.adherence.histories import History
from compliance.adherence.measures import DoseState
from compliance.adherence.schedule import PlannedDose, expand
from compliance.models import Intake, IntakeSource, Medication, Patient, Regimen, ScheduledDose
from compliance.selectors.adherence import local_today
from compliance.services.regimens import GRACE, order_single_dose, plan_doses
from compliance.services.risk import refresh_risk

HISTORY_DAYS = 60
FORGETFUL = 3  # the bed in which a dose is not taken while the visitor watches
CLOSES_IN = timedelta(minutes=2) - GRACE
NEVER_STOPS = 1e-9


@dataclass(frozen=True, slots=True)
class Prescription:
    """One line of a made-up plan. weight_g: what one tablet weighs."""

    name: str
    strength: str
    weight_g: float
    times: tuple[str, ...]


STATIN = Prescription("Atorvastatin", "20 mg", 0.31, ("20:00",))
RAMIPRIL = Prescription("Ramipril", "5 mg", 0.16, ("08:00",))
AMLODIPINE = Prescription("Amlodipine", "5 mg", 0.20, ("20:00",))
PLANS: Mapping[str, tuple[Prescription, ...]] = {
    "Type 1 diabetes": (STATIN,),
    "Type 1 diabetes, hypertension": (RAMIPRIL, STATIN),
    "COPD": (Prescription("Roflumilast", "500 µg", 0.14, ("08:00",)),),
    "Hypertension": (RAMIPRIL, AMLODIPINE),
    "Pneumonia": (Prescription("Amoxicillin", "500 mg", 0.95, ("06:00", "14:00", "22:00")),),
    "Heart failure": (
        Prescription("Bisoprolol", "5 mg", 0.17, ("08:00",)),
        Prescription("Furosemide", "40 mg", 0.26, ("08:00", "14:00")),
    ),
}
ANY_OTHER = (RAMIPRIL,)


@transaction.atomic
def ensure_demo_regimens(patients: Iterable[Patient], *, now: datetime | None = None) -> None:
    """Give every patient a plan, a past, the coming doses and a risk; order the dose that nobody will take.

    Run again, it fills what is missing up to `now` and orders that dose anew: a machine that slept overnight must not
    wake to a page of missed doses.
    """
    now = now or timezone.now()
    people = sorted(patients, key=lambda patient: patient.medical_record_number)
    for patient in people:
        regimens = _prescribe(patient, PLANS.get(patient.conditions, ANY_OTHER), now)
        _fill_past(patient, regimens, now)
    plan_doses(now=now, patients=people)
    if people:
        _order_forgotten(people[min(FORGETFUL, len(people) - 1)], now)
    for patient in people:
        refresh_risk(patient=patient, now=now)


def _prescribe(patient: Patient, plan: Sequence[Prescription], now: datetime) -> list[Regimen]:
    made = []
    for line in plan:
        medication, _ = Medication.objects.get_or_create(
            name=line.name, strength=line.strength, defaults={"unit_weight_g": line.weight_g}
        )
        starts_on = local_today(patient, now) - timedelta(days=HISTORY_DAYS)
        regimen, _ = Regimen.objects.get_or_create(
            patient=patient, medication=medication, defaults={"times": list(line.times), "starts_on": starts_on}
        )
        made.append(regimen)
    return made


def _past(patient: Patient, regimens: Sequence[Regimen], today: date) -> dict[tuple[date, int], tuple[bool, float]]:
    """Return what a generated person did: (day, minute of the day) -> (taken, delay in minutes)."""
    first = min(regimen.starts_on for regimen in regimens)
    minutes = sorted({_minute(clock) for regimen in regimens for clock in regimen.times})
    history: History = person(
        np.random.default_rng([zlib.crc32(patient.medical_record_number.encode()), first.toordinal()]),
        days=(today - first).days + 1,
        minutes=minutes,
        first_weekday=first.weekday(),
        phases=Phases(stop_per_day=NEVER_STOPS),
    ).history
    keys = [(first + timedelta(days=day), minute) for day, minute in zip(*_lists(history), strict=True)]
    outcomes = zip(history.taken.tolist(), history.delay_min.tolist(), strict=True)
    return dict(zip(keys, outcomes, strict=True))


def _lists(history: History) -> tuple[list[int], list[int]]:
    return history.day.tolist(), history.minute.tolist()


def _minute(clock: str) -> int:
    at = time.fromisoformat(clock)
    return at.hour * 60 + at.minute


def _fill_past(patient: Patient, regimens: Sequence[Regimen], now: datetime) -> None:
    outcomes = _past(patient, regimens, local_today(patient, now))
    ScheduledDose.objects.filter(regimen__in=regimens, state=DoseState.PENDING, closes_at__lt=now).delete()
    known = set(ScheduledDose.objects.filter(regimen__in=regimens).values_list("regimen_id", "due_at"))
    doses: list[ScheduledDose] = []
    for regimen in regimens:
        plan = regimen.plan()
        begin = now - timedelta(days=HISTORY_DAYS + 1)
        for planned in expand(plan, begin, now):
            if planned.closes_at < now and (regimen.pk, planned.due_at) not in known:
                local = planned.due_at.astimezone(plan.time_zone)
                outcome = outcomes.get((planned.local_date, local.hour * 60 + local.minute), (True, 0.0))
                doses.append(_dose(regimen, planned, outcome, now))
    Intake.objects.bulk_create([dose.intake for dose in doses if dose.intake is not None])
    ScheduledDose.objects.bulk_create(doses)


def _dose(regimen: Regimen, planned: PlannedDose, outcome: tuple[bool, float], now: datetime) -> ScheduledDose:
    taken, delay_min = outcome
    intake, state = None, DoseState.MISSED
    if taken:
        at = max(planned.due_at + timedelta(minutes=delay_min), planned.opens_at)
        state = DoseState.TAKEN if at <= planned.closes_at else DoseState.LATE
        intake = Intake(
            patient_id=regimen.patient_id,
            source=IntakeSource.SYNTHETIC,
            finding=Finding.TAKEN.value,
            confidence=1.0,
            at=min(at, now),
            recorded_at=now,
        )
    return ScheduledDose(
        regimen=regimen,
        patient_id=regimen.patient_id,
        due_at=planned.due_at,
        opens_at=planned.opens_at,
        closes_at=planned.closes_at,
        local_date=planned.local_date,
        state=state.value,
        intake=intake,
        changed_at=planned.closes_at,
        synthetic=True,
    )


def _order_forgotten(patient: Patient, now: datetime) -> None:
    """Order one dose whose window closes in about two minutes, so that the ward shows what happens then."""
    regimen = Regimen.objects.select_related("patient").filter(patient=patient).order_by("pk").first()
    if regimen is not None:
        due_at = now + CLOSES_IN - timedelta(minutes=regimen.late_minutes)
        order_single_dose(regimen=regimen, due_at=due_at, local_date=local_today(patient, now), now=now)
