"""Doses, openings and risk in the words that pages show. Plain and without blame."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from compliance.adherence.fusion import Finding
from compliance.adherence.measures import DoseState
from compliance.models import Intake, IntakeSource, RiskEstimate, ScheduledDose
from compliance.services.intakes import LATE_UP_TO, UNSETTLED, WITHDRAW_WITHIN

MARKED_RISK = 2.0  # times the usual risk: said in words, never as an alarm
UNCHANGED_G = 0.05  # within what two weighings differ by anyway
WIDEST_BAR = 100
STRONGEST = 2.0  # log-odds that fill a factor's bar
FOUND = {
    Finding.TAKEN: "A dose was taken out; nothing was due",
    Finding.DOUBLE: "Two doses were taken out",
    Finding.SEVERAL: "Three or more doses were taken out at once: please ask",
    Finding.OPENED: "Opened, nothing taken out",
    Finding.REFILLED: "Refilled",
    Finding.UNCLEAR: "Opened; the sensors disagree about what was taken",
}


@dataclass(frozen=True, slots=True)
class DoseLine:
    """One dose of today as shown. `state` names the mark; `note` says how we know."""

    dose: ScheduledDose
    time: str
    state: str
    words: str
    note: str
    can_enter: bool
    can_undo: bool


@dataclass(frozen=True, slots=True)
class OpeningLine:
    """One opening of the pillbox that settled no dose."""

    time: str
    words: str
    note: str
    intake_id: int


@dataclass(frozen=True, slots=True)
class Factor:
    """One reason: bar in hundredths of the widest, up when it raises the risk."""

    sentence: str
    raises: bool
    bar: int


@dataclass(frozen=True, slots=True)
class RiskCard:
    """The risk as shown. comparison says how it stands to the usual one."""

    percent: int
    usual_percent: int
    comparison: str
    factors: tuple[Factor, ...]
    estimate: RiskEstimate


def dose_line(dose: ScheduledDose, zone: ZoneInfo, now: datetime) -> DoseLine:
    """Describe a dose at `now`."""
    state = DoseState(dose.state)
    unsettled = state in UNSETTLED
    return DoseLine(
        dose=dose,
        time=f"{dose.due_at.astimezone(zone):%H:%M}",
        state="due" if state is DoseState.PENDING and dose.opens_at <= now else state.value,
        words=_dose_words(dose, state, zone, now),
        note=_source(dose.intake) if dose.intake is not None else "",
        can_enter=unsettled and dose.opens_at <= now <= dose.closes_at + LATE_UP_TO,
        can_undo=_can_undo(dose.intake, now),
    )


def _dose_words(dose: ScheduledDose, state: DoseState, zone: ZoneInfo, now: datetime) -> str:
    if state is DoseState.PENDING:
        if now < dose.opens_at:
            return f"from {dose.opens_at.astimezone(zone):%H:%M}"
        return f"due now, until {dose.closes_at.astimezone(zone):%H:%M}"
    if state is DoseState.MISSED:
        return "not seen"
    if state is DoseState.SKIPPED or dose.intake is None:
        return {DoseState.SKIPPED: "cancelled", DoseState.LATE: "taken late"}.get(state, "taken")
    at = f"{dose.intake.at.astimezone(zone):%H:%M}"
    return f"taken {at}" if state is DoseState.TAKEN else f"taken late, {at}"


def _source(intake: Intake) -> str:
    if intake.source == IntakeSource.SYNTHETIC:
        return "made up for the demo"
    if intake.source == IntakeSource.MANUAL:
        return f"entered by {intake.recorded_by.display_name}" if intake.recorded_by else "entered by hand"
    return f"seen by the pillbox, {_sure(intake.confidence)}"


def _sure(confidence: float) -> str:
    return "over 99 % sure" if confidence > 0.99 else f"{confidence * 100:.0f} % sure"


def _can_undo(intake: Intake | None, now: datetime) -> bool:
    return (
        intake is not None
        and intake.source == IntakeSource.MANUAL
        and intake.withdrawn_at is None
        and now - intake.recorded_at <= WITHDRAW_WITHIN
    )


def opening_line(intake: Intake, zone: ZoneInfo) -> OpeningLine:
    """Describe an opening."""
    note = f"{_tray(intake.weight_drop_g)}, {_sure(intake.confidence)}"
    return OpeningLine(f"{intake.at.astimezone(zone):%H:%M}", FOUND[Finding(intake.finding)], note, intake.pk)


def _tray(drop_g: float | None) -> str:
    if drop_g is None:
        return "not weighed"
    if abs(drop_g) < UNCHANGED_G:
        return "tray unchanged"
    return f"tray {abs(drop_g):.2f} g {'lighter' if drop_g > 0 else 'heavier'}"


def next_line(dose: ScheduledDose, zone: ZoneInfo, now: datetime) -> str:
    """Name the next dose: when, and what."""
    due, today = dose.due_at.astimezone(zone), now.astimezone(zone).date()
    day = {0: "today", 1: "tomorrow"}.get((due.date() - today).days, f"{due:%A}")
    return f"{dose.regimen.medication}, {day} {due:%H:%M}"


def risk_card(risk: RiskEstimate) -> RiskCard:
    """Describe an estimate."""
    return RiskCard(
        percent=round(risk.probability * 100),
        usual_percent=round(risk.usual * 100),
        comparison=_comparison(risk.probability, risk.usual),
        factors=tuple(_factor(entry) for entry in risk.factors),
        estimate=risk,
    )


def _comparison(probability: float, usual: float) -> str:
    if probability >= MARKED_RISK * usual:
        return "higher than usual"
    return "lower than usual" if probability * MARKED_RISK <= usual else "about as usual"


def _factor(entry: dict[str, Any]) -> Factor:
    log_odds = float(entry["log_odds"])
    return Factor(
        sentence=str(entry["sentence"]),
        raises=log_odds > 0,
        bar=max(2, round(min(abs(log_odds) / STRONGEST, 1.0) * WIDEST_BAR)),
    )
