"""The words that a policy is written in. A policy that uses any other word is refused when it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """What a person is here for."""

    NURSE = "nurse"
    PHYSICIAN = "physician"
    CAREGIVER = "caregiver"
    ADMINISTRATOR = "administrator"
    TRAINER = "trainer"
    PATIENT = "patient"
    NONE = "none"  # signed in, but nothing to do with this hospital


class Reach(StrEnum):
    """How far a right reaches."""

    WARD = "ward"  # patients and things of the wards the person works on, and patients linked to the person
    LINKED = "linked"  # only patients linked to the person by name
    OWN = "own"  # only the person's own record
    HOUSE = "house"  # the house itself: what belongs to no patient and no ward, such as the policy


class Link(StrEnum):
    """Through what a person reaches an object."""

    OWN = "own"
    NAME = "name"  # linked to the patient by name
    WARD = "ward"  # works on the ward
    BREAK_GLASS = "break_glass"  # opened the record in an emergency, for a while
    HOUSE = "house"


class Purpose(StrEnum):
    """What a record is used for. Each needs the patient's consent only where a rule says so."""

    TREATMENT = "treatment"
    CARE_FAMILY = "care_family"
    OPERATIONS = "operations"
    OWN_USE = "own_use"  # by the patient
    RESEARCH = "research"
    TRAINING = "training"
    SHARE_EXTERNAL = "share_external"


# Uses that a patient allows or refuses; nobody is asked about the others, so that no rule can hang on an answer.
DECIDED_BY_PATIENTS = frozenset(Purpose) - {Purpose.OPERATIONS, Purpose.OWN_USE}


class Effect(StrEnum):
    """What a rule does where it applies. There is none that allows: rules can only take away from the rights."""

    REFUSE = "refuse"
    CONFIRM = "confirm"  # allowed after a second factor of the last minutes


# Everything that can be asked of the policy, in the words of the simulator page.
ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "compliance.admit_patient": "admit patients and move them to another ward or bed",
        "compliance.break_glass": "open a record outside the care relationship in an emergency",
        "compliance.confirm_dose": "confirm that a dose was given",
        "compliance.export_bulk": "export many records at once",
        "compliance.export_deidentified": "export records for research, without the people in them",
        "compliance.export_record": "take a copy of the record along",
        "compliance.manage_consent": "record what a patient consents to",
        "compliance.manage_clients": "register services that use the FHIR API",
        "compliance.manage_people": "add people, change roles, relationships and shifts",
        "compliance.manage_policy": "change the policy",
        "compliance.manage_privacy": "answer patients' requests about their data",
        "compliance.manage_tokens": "make access tokens for the FHIR API",
        "compliance.prescribe": "order medication",
        "compliance.record_intake": "record that a dose was taken",
        "compliance.review_break_glass": "judge whether an emergency access was justified",
        "compliance.simulate_policy": "ask who may do what, and why",
        "compliance.view_adherence": "see medication and adherence",
        "compliance.view_house_log": "see what the log holds of no ward: sign-ins, refusals, roots, the policy",
        "compliance.view_log": "see the transparency log",
        "compliance.view_notices": "see what must not be missed about the house",
        "compliance.view_own_record": "see one's own record, what proves it, and who looked at it",
        "compliance.view_patient": "see the patient and live values",
        "compliance.view_report": "see compliance rules, violations and reports",
        "devices.configure_device": "configure, quarantine and release devices",
        "devices.configure_hl7": "choose who receives HL7 messages",
        "devices.record_observation": "record an observation by hand",
        "devices.view_device": "see devices",
        "imaging.reconstruct_study": "reconstruct images",
        "imaging.view_study": "see images",
        "twin.acknowledge_alert": "act on alarms",
        "twin.run_what_if": "fork the twin and try out changes",
        "twin.set_limits": "set alarm limits",
        "twin.view_alert": "see alarms",
        "twin.view_analytics": "see the analytics pages",
        "twin.view_security_events": "see security events and who looked, on timelines",
    }
)

# What can do lasting harm in the hands of whoever finds an unlocked screen. A rule with `sensitive = true` speaks of
# these; a view that asks for a fresh second factor before it uses a right belongs to one of them (a test holds it).
SENSITIVE = frozenset(
    {
        "compliance.break_glass",
        "compliance.confirm_dose",
        "compliance.export_bulk",
        "compliance.export_deidentified",
        "compliance.export_record",
        "compliance.manage_clients",
        "compliance.manage_people",
        "compliance.manage_policy",
        "compliance.manage_privacy",
        "compliance.manage_tokens",
        "compliance.prescribe",
        "devices.configure_device",
        "devices.configure_hl7",
    }
)
