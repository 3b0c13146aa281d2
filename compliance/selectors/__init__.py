"""Reads of the compliance package, one module per subject."""

from compliance.selectors.people import (
    decision_on,
    patients_for,
    people_who_may,
    people_who_may_each,
    scope_for,
    subject_of,
    within_scope,
)

__all__ = [
    "decision_on",
    "patients_for",
    "people_who_may",
    "people_who_may_each",
    "scope_for",
    "subject_of",
    "within_scope",
]
