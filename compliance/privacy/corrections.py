"""Which part of a record can be called wrong, and what becomes of it (GDPR Art. 16; 45 CFR 164.526)."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from compliance.errors import PatientInvalid

DAYS = ("%Y-%m-%d", "%d.%m.%Y")
SEXES = ("female", "male", "other", "unknown")


class CorrectionPart(StrEnum):
    """What is wrong. The first seven are columns of the patient's row, by their names."""

    GIVEN_NAME = "given_name"
    FAMILY_NAME = "family_name"
    BIRTH_DATE = "birth_date"
    SEX = "sex"
    WEIGHT_KG = "weight_kg"
    CONDITIONS = "conditions"
    BED = "bed"
    MEDICATION = "medication"
    VALUE = "value"
    IMAGE = "image"
    OTHER = "other"


WORDS = {
    CorrectionPart.GIVEN_NAME: "First name",
    CorrectionPart.FAMILY_NAME: "Last name",
    CorrectionPart.BIRTH_DATE: "Date of birth",
    CorrectionPart.SEX: "Sex",
    CorrectionPart.WEIGHT_KG: "Weight",
    CorrectionPart.CONDITIONS: "Conditions",
    CorrectionPart.BED: "Bed",
    CorrectionPart.MEDICATION: "A dose or a medicine",
    CorrectionPart.VALUE: "A measured value",
    CorrectionPart.IMAGE: "An image",
    CorrectionPart.OTHER: "Something else",
}
COLUMNS = frozenset(list(CorrectionPart)[:7])
# Evidence of what a device sent: it is never rewritten, but it can be called wrong beside it.
DISPUTED = frozenset({CorrectionPart.VALUE, CorrectionPart.IMAGE})


class Outcome(StrEnum):
    """What became of a correction that was accepted."""

    CHANGED = "changed"
    DISPUTED = "disputed"


def column_value(part: CorrectionPart, text: str) -> str | float | date:
    """Return what a text means as the value of that column; weights in kilograms. Raises PatientInvalid."""
    text = text.strip()
    if part is CorrectionPart.BIRTH_DATE:
        return _day(text)
    if part is CorrectionPart.SEX:
        if text.casefold() not in SEXES:
            raise PatientInvalid(f"Write one of these: {', '.join(SEXES)}.")
        return text.casefold()
    if part is CorrectionPart.WEIGHT_KG:
        try:
            return float(text.casefold().removesuffix("kg").strip().replace(",", "."))
        except ValueError as error:
            raise PatientInvalid("Write the weight in kilograms, such as 71.5.") from error
    if not text:
        raise PatientInvalid("Write what is right.")
    return text


def _day(text: str) -> date:
    for form in DAYS:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007  # a day has no zone
        except ValueError:
            continue
    raise PatientInvalid("Write a day that exists, as year-month-day, such as 1961-05-17.")
