"""The policy as data: for every role and action, how far the right reaches. What is not listed is refused."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a person is here for."""

    NURSE = "nurse"
    PHYSICIAN = "physician"
    CAREGIVER = "caregiver"
    ADMINISTRATOR = "administrator"
    TRAINER = "trainer"
    NONE = "none"  # signed in, but nothing to do with this hospital


class Reach(StrEnum):
    """How far a right reaches."""

    WARD = "ward"  # patients and things of the wards the person works on, and patients linked to the person
    LINKED = "linked"  # only patients linked to the person by name


# Clinical staff and caregivers acknowledge alarms; a trainer watches real patients but must never silence one.
ROLE_RULES: dict[Role, dict[str, Reach]] = {
    Role.NURSE: {
        "compliance.view_patient": Reach.WARD,
        "compliance.view_adherence": Reach.WARD,
        "compliance.record_intake": Reach.WARD,
        "devices.view_device": Reach.WARD,
        "imaging.view_study": Reach.WARD,
        "twin.acknowledge_alert": Reach.WARD,
        "twin.view_alert": Reach.WARD,
        "twin.view_analytics": Reach.WARD,
    },
    Role.PHYSICIAN: {
        "compliance.view_patient": Reach.WARD,
        "compliance.view_adherence": Reach.WARD,
        "compliance.record_intake": Reach.WARD,
        "devices.view_device": Reach.WARD,
        "imaging.view_study": Reach.WARD,
        "imaging.reconstruct_study": Reach.WARD,
        "twin.acknowledge_alert": Reach.WARD,
        "twin.set_limits": Reach.WARD,
        "twin.run_what_if": Reach.WARD,
        "twin.view_alert": Reach.WARD,
        "twin.view_analytics": Reach.WARD,
    },
    Role.CAREGIVER: {
        "compliance.view_patient": Reach.LINKED,
        "compliance.view_adherence": Reach.LINKED,
        "devices.view_device": Reach.LINKED,
        "imaging.view_study": Reach.LINKED,
        "twin.acknowledge_alert": Reach.LINKED,
        "twin.view_alert": Reach.LINKED,
        "twin.view_analytics": Reach.LINKED,
    },
    Role.ADMINISTRATOR: {
        # Sees live signals to look after devices; images and medication are none of a device engineer's business.
        "compliance.view_patient": Reach.WARD,
        "devices.configure_device": Reach.WARD,
        "devices.view_device": Reach.WARD,
        "twin.acknowledge_alert": Reach.WARD,
        "twin.view_alert": Reach.WARD,
        "twin.view_analytics": Reach.WARD,
    },
    Role.TRAINER: {
        "compliance.view_patient": Reach.WARD,
        "compliance.view_adherence": Reach.WARD,
        "devices.view_device": Reach.WARD,
        "imaging.view_study": Reach.WARD,
        "twin.run_what_if": Reach.WARD,
        "twin.view_alert": Reach.WARD,
        "twin.view_analytics": Reach.WARD,
    },
    Role.NONE: {},
}
