"""Reads of the compliance package, one module per subject."""

from compliance.selectors.people import patients_for, people_who_may, scope_for, subject_of, within_scope

__all__ = ["patients_for", "people_who_may", "scope_for", "subject_of", "within_scope"]
