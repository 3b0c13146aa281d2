"""The house's limits for adults. Each has its source; a physician sets others per patient.

Bounds are exclusive: the first value that alarms lies just beyond. Scores of NEWS2 (Royal College of Physicians, 2017)
of 3 for a single parameter ask for urgent review and are high here; scores of 2 are medium, of 1 low.
"""

from __future__ import annotations

from twin.alerts.limits import Limit, Side
from twin.alerts.priority import Priority

_NEWS2 = "NEWS2, Royal College of Physicians 2017, chart 1"
_TIR = "Battelino et al., Diabetes Care 2019;42:1593, table 2"
_WHO_SPO2 = "WHO Pulse Oximetry Training Manual 2011: below 90 % is an emergency"
_SEPSIS = "Surviving Sepsis Campaign 2021, recommendation on mean arterial pressure"
_CRISIS = "ACC/AHA hypertension guideline 2017, section 11.2: crisis above 180/120"
_PUMP = "IEC 60601-2-24:2012, 208.6.1.2: the infusion has stopped"
_RESERVE = "House rule: time to fetch a cartridge or a charger"


def _low(metric: str, bound: float, priority: Priority, text: str, **more: float | str) -> Limit:
    return Limit(f"{metric}_low", metric, Side.LOW, bound, priority, text, **more)  # type: ignore[arg-type]


def _high(metric: str, bound: float, priority: Priority, text: str, **more: float | str) -> Limit:
    return Limit(f"{metric}_high", metric, Side.HIGH, bound, priority, text, **more)  # type: ignore[arg-type]


def _pump(rule: str, value: int, priority: Priority, text: str, source: str = _PUMP) -> Limit:
    return Limit(rule, "pump_alarm", Side.EQUAL, value, priority, text, source=source)


HIGH, MEDIUM, LOW = Priority.HIGH, Priority.MEDIUM, Priority.LOW

DEFAULT_LIMITS: tuple[Limit, ...] = (
    _low("glucose", 54, HIGH, "Glucose", hysteresis=5, source=f"{_TIR}: level 2 hypoglycaemia"),
    _low("glucose", 70, MEDIUM, "Glucose", hysteresis=5, source=f"{_TIR}: level 1 hypoglycaemia"),
    # An event counts after 15 minutes in the consensus; a meal's peak should not call anybody.
    _high("glucose", 250, MEDIUM, "Glucose", delay_s=900, hysteresis=10, source=f"{_TIR}: level 2 hyperglycaemia"),
    _low("spo2", 90, HIGH, "SpO₂", delay_s=10, hysteresis=1, source=_WHO_SPO2),
    _low("spo2", 92, MEDIUM, "SpO₂", delay_s=30, hysteresis=1, source=f"{_NEWS2}: 3 points up to 91"),
    _low("heart_rate", 41, HIGH, "Heart rate", delay_s=5, hysteresis=3, source=f"{_NEWS2}: 3 points up to 40"),
    _low("heart_rate", 51, LOW, "Heart rate", delay_s=60, hysteresis=3, source=f"{_NEWS2}: 1 point up to 50"),
    _high("heart_rate", 130, HIGH, "Heart rate", delay_s=10, hysteresis=3, source=f"{_NEWS2}: 3 points from 131"),
    _high("heart_rate", 110, MEDIUM, "Heart rate", delay_s=60, hysteresis=3, source=f"{_NEWS2}: 2 points from 111"),
    _low("respiration_rate", 9, HIGH, "Respiration", delay_s=15, hysteresis=1, source=f"{_NEWS2}: 3 points up to 8"),
    _high("respiration_rate", 24, HIGH, "Respiration", delay_s=30, hysteresis=1, source=f"{_NEWS2}: 3 points from 25"),
    _high("respiration_rate", 20, MEDIUM, "Respiration", delay_s=120, hysteresis=1, source=f"{_NEWS2}: 2 from 21"),
    _low("bp_systolic", 91, HIGH, "Systolic pressure", hysteresis=3, source=f"{_NEWS2}: 3 points up to 90"),
    _low("bp_systolic", 101, MEDIUM, "Systolic pressure", hysteresis=3, source=f"{_NEWS2}: 2 points up to 100"),
    _high("bp_systolic", 219, HIGH, "Systolic pressure", hysteresis=3, source=f"{_NEWS2}: 3 points from 220"),
    _high("bp_systolic", 180, MEDIUM, "Systolic pressure", hysteresis=3, source=_CRISIS),
    _high("bp_diastolic", 120, MEDIUM, "Diastolic pressure", hysteresis=3, source=_CRISIS),
    _low("bp_mean", 65, HIGH, "Mean pressure", hysteresis=2, source=f"{_SEPSIS}: at least 65 mmHg"),
    _low("temperature", 35.1, HIGH, "Temperature", hysteresis=0.2, source=f"{_NEWS2}: 3 points up to 35.0"),
    _high("temperature", 39.0, MEDIUM, "Temperature", hysteresis=0.2, source=f"{_NEWS2}: 2 points from 39.1"),
    _low("insulin_reservoir", 5, MEDIUM, "Insulin reservoir", hysteresis=1, source=_RESERVE),
    _low("insulin_reservoir", 20, LOW, "Insulin reservoir", hysteresis=1, source=_RESERVE),
    _low("battery", 5, MEDIUM, "Battery", hysteresis=2, source=_RESERVE),
    _low("battery", 15, LOW, "Battery", hysteresis=2, source=_RESERVE),
    _pump("pump_occlusion", 1, HIGH, "Pump line is blocked"),
    _pump("pump_empty", 2, HIGH, "Pump is empty"),
    _pump("pump_air_in_line", 3, HIGH, "Air in the pump's line"),
    _pump("pump_battery_low", 4, MEDIUM, "Pump battery is low", _RESERVE),
)
