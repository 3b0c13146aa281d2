"""What stands behind numbers that are not a single reading: alarms, intakes, risks, forecasts, images, energy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils import timezone

from compliance.adherence.risk import SHIPPED as RISK_WEIGHTS
from compliance.models import Event, Intake, IntakeSource, Patient, RiskEstimate
from compliance.selectors.log import entry_about, entry_of_event
from devices.energy.words import energy
from devices.evidence.logged import checks_of_link
from devices.evidence.outcome import Check, Outcome, verdict_of
from devices.kinds.registry import Form, by_key
from devices.models import Device, EnergyUsage
from devices.selectors.evidence import link_of
from devices.services.telemetry import store
from devices.services.worn import readings_of
from devices.telemetry import Reading
from twin.forecast.model import SHIPPED as FORECAST_WEIGHTS
from twin.models import Alert, Prediction
from twin.physiology.estimate import HISTORY_MIN

NEAR_S = 0.002  # a time goes through milliseconds and microseconds on its way into a row
REACH_S = 3600.0  # a point of a chart stands for the nearest reading within an hour
ENERGY_SPAN = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and what it is; a link leads to further evidence."""

    name: str
    value: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """What a page shows when somebody asks where a number comes from."""

    title: str
    sentence: str
    facts: Sequence[Fact]
    checks: Sequence[Check] = ()
    shown_patients: Sequence[UUID | None] = ()  # whose records a list of facts shows

    @property
    def verdict(self) -> Outcome | None:
        """The worst of the checks; None when there is nothing to check."""
        return verdict_of(self.checks) if self.checks else None


def reading_link(reading: Reading) -> str:
    """Return where the evidence of a reading is."""
    return reverse("devices:reading_evidence", args=[reading.device, reading.seq])


def nearest_reading(patient: Patient, key: str, t: float) -> Reading | None:
    """Return the reading of a metric that lies nearest to `t`, s since the Unix epoch, within an hour."""
    try:
        code = by_key(key).code
    except KeyError:
        return None
    for reach_s in (30.0, REACH_S):
        if found := readings_of(patient, [code], t - reach_s, t + reach_s):
            return min(found, key=lambda reading: abs(reading.t - t))
    return None


def raising_reading(alert: Alert) -> Reading | None:
    """Return the reading that raised an alarm; None for an alarm of silence, or about a dose."""
    if alert.device_id is None or not alert.metric or by_key(alert.metric).kind is Form.WAVEFORM:
        return None
    t = alert.event_time.timestamp()
    found = store().history([alert.device_id], [by_key(alert.metric).code], t - NEAR_S, t + NEAR_S)
    return min(found, key=lambda reading: abs(reading.t - t), default=None)


def alert_panel(alert: Alert, rule: Sequence[Fact]) -> Panel:
    """Return what raised an alarm that no single reading did; `rule` says which rule it was."""
    if alert.rule.startswith("dose_missed"):
        why = "A dose was planned and its time passed without an intake. No device measured this."
    elif alert.device_id is None:
        why = "It was concluded from several facts; no single reading raised it."
    else:
        why = "It says that readings stayed away, or the reading that raised it is no longer stored."
    facts = [*rule, Fact("By the device's clock", moment_words(alert.event_time, alert.patient))]
    return Panel(alert.message, why, [*facts, Fact("Raised", moment_words(alert.raised_at, alert.patient))])


def event_panel(event: Event) -> Panel:
    """Return what the log holds of an event."""
    facts = [Fact("Recorded", moment_words(event.at, event.patient)), Fact("Code", event.code)]
    if event.user:
        facts.append(Fact("By", event.user.display_name))
    if event.count > 1:
        facts.append(Fact("Times", f"{event.count} within a minute; the log holds the first"))
    said = {"event": event.pk, "code": event.code, "message": event.message}
    checks = list(checks_of_link(link_of(entry_of_event(event.pk)), said, "The event"))
    return Panel(event.message, "Written into the log in the moment in which it happened.", facts, checks)


def intake_panel(intake: Intake) -> Panel:
    """Return the openings behind an intake."""
    title = f"Intake at {moment_words(intake.at, intake.patient)}"
    facts = [Fact("Recorded", moment_words(intake.recorded_at, intake.patient))]
    if intake.source == IntakeSource.SYNTHETIC:
        return Panel(title, "Made up for the demo: nothing was measured.", facts)
    if intake.source == IntakeSource.MANUAL or intake.device_id is None or intake.seq is None:
        who = intake.recorded_by.display_name if intake.recorded_by else "somebody"
        return Panel(title, f"Entered by {who}. No device measured it.", facts)
    facts = [Fact("Sureness", f"{intake.confidence * 100:.1f} %"), *facts]
    if intake.weight_drop_g is not None:
        facts.append(Fact("Weight taken out", f"{intake.weight_drop_g:.2f} g"))
    ends = [("Lid opened", intake.seq), ("Lid closed", intake.last_seq)]
    for name, seq in ends:
        if seq is not None:
            link = reverse("devices:reading_evidence", args=[intake.device_id, seq])
            facts.append(Fact(name, f"reading {seq} of the pillbox", link))
    return Panel(title, "Concluded from what the pillbox measured while its lid was open.", facts)


def risk_panel(risk: RiskEstimate) -> Panel:
    """Return what a risk was computed from."""
    taught = "a model that learnt from made-up histories" if risk.synthetic else "a model that learnt from people"
    facts = [
        Fact("For the dose due", moment_words(risk.dose.due_at, risk.patient)),
        Fact("Computed", moment_words(risk.computed_at, risk.patient)),
        Fact("Model", risk.model_version),
        Fact("Its weights, SHA-256", _hash_of(RISK_WEIGHTS)),
        *(Fact("Because", str(factor["sentence"])) for factor in risk.factors),
    ]
    said = {"dose": risk.dose_id, "model": risk.model_version, "probability": round(risk.probability, 6)}
    entry = entry_about("risk_estimated", risk.patient_id, risk.computed_at)
    checks = list(checks_of_link(link_of(entry), said, "The estimate"))
    return Panel(f"Risk of a missed dose: {risk.probability * 100:.0f} %", f"Estimated by {taught}.", facts, checks)


def forecast_panel(prediction: Prediction) -> Panel:
    """Return what a forecast was computed from."""
    at = prediction.made_at.timestamp()
    codes = {by_key(key).code: by_key(key) for key in ("glucose", "insulin_rate", "insulin_bolus")}
    used = readings_of(prediction.patient, codes, at - HISTORY_MIN * 60.0, at + NEAR_S)
    facts = [
        Fact("Starts from", moment_words(prediction.made_at, prediction.patient)),
        Fact("Bodies simulated", str(prediction.members)),
        Fact("Weights, SHA-256", _hash_of(FORECAST_WEIGHTS)),
    ]
    for code, measurement in codes.items():
        mine = [reading for reading in used if reading.metric == code]
        if mine:
            newest = max(mine, key=lambda reading: reading.t)
            facts.append(Fact(measurement.label, f"{len(mine)} readings, the newest", reading_link(newest)))
    sentence = "A forecast, not a measurement: simulated from these readings. It raises no alarm."
    said = {"middle": prediction.middle, "low": prediction.low, "high": prediction.high}
    entry = entry_about("glucose_forecast", prediction.patient_id, prediction.made_at)
    checks = list(checks_of_link(link_of(entry), said, "The forecast"))
    return Panel(f"Forecast of {by_key(prediction.metric).label.lower()}", sentence, facts, checks)


def energy_panel(device: Device, now: datetime | None = None) -> Panel:
    """Return the rows behind a device's energy figures of the last day."""
    since = (now or timezone.now()) - ENERGY_SPAN
    rows = list(EnergyUsage.objects.filter(device=device, starts_at__gte=since).order_by("-starts_at"))
    facts = [Fact("Rows", f"{len(rows)} of a minute or an hour and hop")]
    facts += [
        Fact(
            f"{row.starts_at:%H:%M} UTC, {row.get_hop_display().lower()}, {row.link}",
            f"{row.messages} messages, {row.payload_bytes + row.overhead_bytes} B, {energy(row.radio_j + row.cpu_j)}",
        )
        for row in rows[:20]
    ]
    sentence = "Messages and bytes were counted; energy is a model's answer to them, not a measurement."
    return Panel(f"Energy of {device.label}", sentence, facts)


def _hash_of(weights: Path) -> str:
    return sha256(weights.read_bytes()).hexdigest()


def moment_words(at: datetime, patient: Patient | None) -> str:
    """Say a moment on the patient's clock, or in UTC where it is nobody's."""
    local = at.astimezone(ZoneInfo(patient.time_zone)) if patient else at
    return f"{local:%-d %b %Y %H:%M:%S}"
