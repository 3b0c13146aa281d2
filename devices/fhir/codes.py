"""Which measurements are observations, and under which codes, categories and profiles they are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from compliance.fhir.entries import LOINC, Resource, coding, concept
from compliance.fhir.values import Token
from devices.kinds.registry import KINDS, Form, Measurement, by_key

MDC = "urn:iso:std:iso:11073:10101"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
PROFILE = "http://hl7.org/fhir/StructureDefinition/"
PANEL, PANEL_CODE = "bp", "85354-9"  # blood pressure panel with all children optional
SYSTOLIC, DIASTOLIC = "bp_systolic", "bp_diastolic"
OXYGEN = "2708-6"  # what the oxygen saturation profile asks for beside the pulse oximeter's own 59408-5
LUNG_FUNCTION = {"fvc", "fev1", "fev1_fvc", "pef"}
VITAL_SIGNS = {"heart_rate", "spo2", "respiration_rate", PANEL, "bp_mean", "temperature"}
PROFILES = {
    "heart_rate": "heartrate",
    "spo2": "oxygensat",
    "respiration_rate": "resprate",
    PANEL: "bp",
    "temperature": "bodytemp",
}


@dataclass(frozen=True, slots=True)
class Observable:
    """One kind of observation: a measurement, or the pair of pressures.

    parts: the measurements whose values it holds.
    """

    key: str
    label: str
    parts: tuple[Measurement, ...]

    @property
    def category(self) -> str:
        """The category's code; sensor glucose is laboratory, as in HL7's guide for glucose monitors, and a lung
        function test is a procedure, as the category's own words have it.
        """
        if self.key in VITAL_SIGNS:
            return "vital-signs"
        if self.key in LUNG_FUNCTION:
            return "procedure"
        return "laboratory" if self.key == "glucose" else "therapy"

    @property
    def codings(self) -> list[Resource]:
        """Every code of it, LOINC first."""
        if self.key == PANEL:
            return [coding(LOINC, PANEL_CODE, "Blood pressure panel with all children optional")]
        more = [coding(LOINC, OXYGEN, "Oxygen saturation in Arterial blood")] if self.key == "spo2" else []
        return more + codings_of(self.parts[0])

    @property
    def concept(self) -> Resource:
        """The code as a CodeableConcept."""
        return concept(*self.codings, text=self.label)

    @property
    def profiles(self) -> tuple[str, ...]:
        """The vital signs profile that it follows."""
        return (PROFILE + PROFILES[self.key],) if self.key in PROFILES else ()

    def named_by(self, token: Token) -> bool:
        """Tell whether a token means this observation."""
        return any(token.system in {None, one["system"]} and token.code in {"", one["code"]} for one in self.codings)

    def has_component(self, token: Token) -> bool:
        """Tell whether a token means a component of it."""
        if self.key != PANEL:
            return False
        codes = [one for part in self.parts for one in codings_of(part)]
        return any(token.system in {None, one["system"]} and token.code in {"", one["code"]} for one in codes)


def codings_of(measurement: Measurement) -> list[Resource]:
    """Return LOINC where there is a term, and the IEEE code."""
    loinc = [coding(LOINC, measurement.loinc, measurement.label)] if measurement.loinc else []
    return [*loinc, coding(MDC, str(measurement.code), measurement.label)]


def _find() -> dict[str, Observable]:
    """Every scalar and counter that says something about a patient: a battery's charge says nothing."""
    made = {PANEL: Observable(PANEL, "Blood pressure", (by_key(SYSTOLIC), by_key(DIASTOLIC)))}
    for kind in KINDS.values():
        for one in kind.measurements:
            plain = one.kind in {Form.SCALAR, Form.COUNTER} and one.key not in {SYSTOLIC, DIASTOLIC, "battery"}
            if plain and kind.name not in {"mr_scanner", "smart_pillbox"}:
                made[one.key] = Observable(one.key, one.label, (one,))
    return made


OBSERVABLES: Mapping[str, Observable] = _find()
BY_METRIC: Mapping[int, Observable] = {part.code: one for one in OBSERVABLES.values() for part in one.parts}
