"""Adherence of everybody in sight: counted by patient and day in the database, measured by compliance.adherence."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date

from django.db.models import Count, OuterRef, Subquery
from django.utils import timezone

from compliance.adherence.measures import COUNTED, DoseState, Measures, measure
from compliance.models import Patient, User
from compliance.models.regimens import RiskEstimate, ScheduledDose
from compliance.selectors import patients_for, scope_for, within_scope
from compliance.selectors.identities import by_name
from twin.selectors.analytics import Filters

ACTION = "compliance.view_adherence"


@dataclass(frozen=True, slots=True)
class PatientAdherence:
    """One patient's measures of the period, and the newest risk of missing a dose that is still to come."""

    patient: Patient
    measures: Measures
    missed: int
    risk: RiskEstimate | None


@dataclass(frozen=True, slots=True)
class AdherenceSummary:
    """Everything the adherence page shows. missed_per_day: day of the patients' calendars -> doses missed."""

    patients: list[PatientAdherence]
    missed_per_day: dict[date, int]
    synthetic_doses: int  # doses in the period that a generator made

    @property
    def risks(self) -> list[RiskEstimate]:
        """The newest estimate of every patient who has one."""
        return [entry.risk for entry in self.patients if entry.risk is not None]


def adherence_summary(user: User, filters: Filters) -> AdherenceSummary:
    """Return the measures of everybody whose medication `user` may see."""
    doses = within_scope(ScheduledDose.objects.all(), scope_for(user, ACTION)).filter(
        local_date__gte=filters.since().date(), state__in=[state.value for state in COUNTED]
    )
    patients = patients_for(user, ACTION)
    if filters.ward_id is not None:
        doses, patients = doses.filter(patient__ward_id=filters.ward_id), patients.filter(ward_id=filters.ward_id)
    rows = doses.order_by().values("patient_id", "local_date", "state", "synthetic").annotate(doses=Count("id"))
    history: dict[object, list[tuple[date, DoseState]]] = defaultdict(list)
    missed_per_day: dict[date, int] = defaultdict(int)
    synthetic = 0
    for row in rows:
        state = DoseState(row["state"])
        history[row["patient_id"]] += [(row["local_date"], state)] * row["doses"]
        missed_per_day[row["local_date"]] += row["doses"] if state is DoseState.MISSED else 0
        synthetic += row["doses"] if row["synthetic"] else 0
    risks = _newest_risks(user)
    found = [
        PatientAdherence(
            patient,
            measure(history[patient.pk]),
            sum(state is DoseState.MISSED for _, state in history[patient.pk]),
            risks.get(patient.pk),
        )
        for patient in by_name(patients)
        if patient.pk in history or patient.pk in risks
    ]
    return AdherenceSummary(found, dict(sorted(missed_per_day.items())), synthetic)


def _newest_risks(user: User) -> dict[object, RiskEstimate]:
    """Return patient -> newest estimate for that patient's next dose whose window has not closed yet."""
    mine = within_scope(RiskEstimate.objects.filter(dose__closes_at__gte=timezone.now()), scope_for(user, ACTION))
    next_dose = mine.filter(patient=OuterRef("patient")).order_by("dose__due_at", "-computed_at").values("pk")[:1]
    return {risk.patient_id: risk for risk in mine.filter(pk=Subquery(next_dose)).select_related("dose")}
