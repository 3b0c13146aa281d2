"""Who is in the house, and who opens whose record."""

from __future__ import annotations

from compliance.errors.root import DomainError


class EmergencyRefused(DomainError):
    """No record can be opened with this record number and date of birth. Check both with the wristband."""

    code = "emergency_refused"
    http_status = 404


class EmergencyLocked(DomainError):
    """Too many record numbers that belong to nobody. Wait ten minutes, or ask the patient's ward."""

    code = "emergency_locked"
    http_status = 429


class NotYourself(DomainError):
    """Nobody changes their own role or links. Ask another administrator."""

    code = "not_yourself"
    http_status = 409


class LastAdministrator(DomainError):
    """This is the only administrator left. Make somebody else one first."""

    code = "last_administrator"
    http_status = 409


class PersonTaken(DomainError):
    """Somebody has this sign-in name already. Choose another."""

    code = "person_taken"
    http_status = 409


class PersonInvalid(DomainError):
    """This cannot be kept for a person."""

    code = "person_invalid"


class PatientTaken(DomainError):
    """This record number is in use already. Search for the patient, or look at the number again."""

    code = "patient_taken"
    http_status = 409


class PatientInvalid(DomainError):
    """This cannot be kept of a patient."""

    code = "patient_invalid"
