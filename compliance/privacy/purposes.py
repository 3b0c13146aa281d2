"""What a record is used for. Each purpose has the house's default until the patient says otherwise, and the words in
which the patient is asked. Reasons for the defaults: docs/privacy.md."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

TEXT_VERSION = "2026-1"  # of the words below; a consent keeps the version that was read


class Purpose(StrEnum):
    """Uses that a patient may allow or refuse."""

    TREATMENT = "treatment"
    CARE_FAMILY = "care_family"
    RESEARCH = "research"
    TRAINING = "training"
    SHARE_EXTERNAL = "share_external"


class How(StrEnum):
    """How a decision reached the house."""

    SELF = "self"  # signed in, on the own page
    PAPER = "paper"  # signed on paper; staff entered it


@dataclass(frozen=True, slots=True)
class Terms:
    """What a patient reads before deciding. `default` holds until the first decision."""

    purpose: Purpose
    default: bool
    title: str
    explanation: str
    when_off: str


_ALL = (
    Terms(
        Purpose.TREATMENT,
        True,
        "Your treatment",
        "The nurses and physicians who look after you read your record, to treat you safely.",
        "They can then open it in an emergency only. Please talk to your physician first.",
    ),
    Terms(
        Purpose.CARE_FAMILY,
        True,
        "Your family and carers",
        "The people whom you named as your carers see how you are and help when there is an alarm.",
        "They see nothing more from that moment on.",
    ),
    Terms(
        Purpose.TRAINING,
        True,
        "Training of staff",
        "People who teach and learn in this hospital may follow your record.",
        "Nobody learns from your record any more. Your care stays the same.",
    ),
    Terms(
        Purpose.RESEARCH,
        False,
        "Research",
        "Researchers get a copy without your name, with its dates shifted, together with many others.",
        "Nothing of you goes into new copies. Copies already made carry no name and cannot be called back.",
    ),
    Terms(
        Purpose.SHARE_EXTERNAL,
        False,
        "Other hospitals and practices",
        "Other places that treat you may fetch your record from here.",
        "Your record stays in this house.",
    ),
)
TERMS: dict[Purpose, Terms] = {terms.purpose: terms for terms in _ALL}


class AccessPurpose(StrEnum):
    """Why somebody looked at a record."""

    TREATMENT = "treatment"
    CARE_FAMILY = "care_family"
    TRAINING = "training"
    OPERATIONS = "operations"  # looking after devices and rights
    SHARE_EXTERNAL = "share_external"
    EMERGENCY = "emergency"  # break-glass
    OWN = "own"  # the patient
    OTHER = "other"


class Basis(StrEnum):
    """By which tie to the patient somebody reached a record. A rule over the log asks for one."""

    OWN = "own"  # the patient
    NAME = "name"  # linked to this patient by name
    WARD = "ward"  # works on the patient's ward
    BREAK_GLASS = "break_glass"  # opened the record in an emergency
    HOUSE = "house"  # the house's own work, such as an interface that was set up
    NONE = "none"  # no tie: no page should let this happen
