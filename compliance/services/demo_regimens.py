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
from compliance.models import Intake, IntakeSource, Medication, Patient, Regimen, ScheduledDose, User
from compliance.orders.formulary import formulary
from compliance.policy import Role
from compliance.selectors.adherence import local_today
from compliance.services.orders import adopt
from compliance.services.regimens import GRACE, order_single_dose, plan_doses
from compliance.services.risk import refresh_risk

HISTORY_DAYS = 60
FORGETFUL = 3  # the bed in which a dose is not taken while the visitor watches
CLOSES_IN = timedelta(minutes=2) - GRACE
NEVER_STOPS = 1e-9


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a made-up plan: a drug of the formulary, how many pieces, when."""

    drug_key: str
    times: tuple[str, ...]
    pieces: float = 1.0


STATIN = Line("atorvastatin-20", ("20:00",))
RAMIPRIL = Line("ramipril-5", ("08:00",))
AMLODIPINE = Line("amlodipine-5", ("20:00",))
ENOXAPARIN = Line("enoxaparin-100", ("18:00",), pieces=40.0)  # high-alert: shows the check by a second person
PLANS: Mapping[str, tuple[Line, ...]] = {
    "Type 1 diabetes": (STATIN,),
    "Type 1 diabetes, hypertension": (RAMIPRIL, STATIN),
    "COPD": (Line("roflumilast-500", ("08:00",)),),
    "Hypertension": (RAMIPRIL, AMLODIPINE),
    "Pneumonia": (Line("amoxicillin-500", ("06:00", "14:00", "22:00")), ENOXAPARIN),
    "Heart failure": (
        Line("bisoprolol-5", ("08:00",)),
        Line("furosemide-40", ("08:00", "14:00")),
        ENOXAPARIN,
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


def _prescribe(patient: Patient, plan: Sequence[Line], now: datetime) -> list[Regimen]:
    made = []
    prescriber = User.objects.filter(role=Role.PHYSICIAN, is_active=True).order_by("pk").first()
    for line in plan:
        drug = formulary()[line.drug_key]
        medication, _ = Medication.objects.get_or_create(
            name=drug.name, strength=drug.strength, form=drug.form, defaults={"unit_weight_g": drug.weight_g}
        )
        # Whatever people made of the plan since stays: a change, a stop.
        regimen = Regimen.objects.filter(patient=patient, medication=medication).order_by("pk").first()
        if regimen is None:
            regimen = Regimen.objects.create(
                patient=patient,
                medication=medication,
                units_per_dose=line.pieces,
                times=list(line.times),
                starts_on=local_today(patient, now) - timedelta(days=HISTORY_DAYS),
                in_pillbox=drug.weight_g is not None,
                recorded_at=now,
            )
            adopt(regimen=regimen, drug=drug, user=prescriber, now=now)
        if regimen.stopped_at is None:
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
    if not regimens:
        return
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
    regimen = Regimen.objects.select_related("patient").filter(patient=patient, stopped_at=None).order_by("pk").first()
    if regimen is not None:
        due_at = now + CLOSES_IN - timedelta(minutes=regimen.late_minutes)
        order_single_dose(regimen=regimen, due_at=due_at, local_date=local_today(patient, now), now=now)
