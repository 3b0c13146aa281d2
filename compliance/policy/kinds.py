"""What a question can be about: each kind of thing, to what it belongs, and which actions touch it.

The policy judges a thing by where it belongs, so that a new kind needs a line here and nothing in the engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from compliance.policy.rules import ACTIONS


class Place(StrEnum):
    """To what a thing belongs."""

    PATIENT = "patient"
    WARD = "ward"
    HOUSE = "house"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing. has_state: whether it is a device, whose state rules may ask about."""

    words: str
    place: Place
    actions: tuple[str, ...]
    has_state: bool = False


_OF_DEVICES = ("devices.view_device", "devices.configure_device", "devices.record_observation")
KINDS: dict[str, Kind] = {
    "record": Kind(
        "a patient's record",
        Place.PATIENT,
        (
            "compliance.view_patient",
            "compliance.manage_consent",
            "compliance.export_record",
            "compliance.view_own_record",
        ),
    ),
    "study": Kind("a patient's images", Place.PATIENT, ("imaging.view_study", "imaging.reconstruct_study")),
    "alert": Kind("a patient's alarm", Place.PATIENT, ("twin.view_alert", "twin.acknowledge_alert", "twin.set_limits")),
    "order": Kind(
        "a patient's order and doses",
        Place.PATIENT,
        ("compliance.view_adherence", "compliance.prescribe", "compliance.record_intake", "compliance.confirm_dose"),
    ),
    "twin": Kind("a patient's twin", Place.PATIENT, ("twin.run_what_if", "twin.view_analytics")),
    "device": Kind("a patient's device", Place.PATIENT, _OF_DEVICES, has_state=True),
    "entry": Kind(
        "an entry of the log about a patient", Place.PATIENT, ("compliance.view_log", "twin.view_security_events")
    ),
    "export": Kind("a bulk export of a ward", Place.WARD, ("compliance.export_bulk",)),
    "gateway": Kind("a gateway of a ward", Place.WARD, ("devices.view_device", "devices.configure_device")),
    "spare": Kind("a device that nobody wears", Place.WARD, _OF_DEVICES, has_state=True),
    "report": Kind("a ward's report and notices", Place.WARD, ("compliance.view_report", "compliance.view_notices")),
    "house": Kind(
        "the house: people and policy",
        Place.HOUSE,
        ("compliance.manage_people", "compliance.manage_policy", "compliance.break_glass"),
    ),
}
_NAMED = {action for kind in KINDS.values() for action in kind.actions}
# What no kind names is asked of a record: a new right is in the page from its first day.
KINDS["other"] = Kind("anything else of a patient", Place.PATIENT, tuple(a for a in ACTIONS if a not in _NAMED))
