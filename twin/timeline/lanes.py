"""Which lane an event belongs to, by its category and code.

The same table is asked here for one event and turned into a query by the selectors. A clinical fact that no line knows
counts as medication, the lane that fewest may see: a new code can be shown too little, never too much.
"""

from __future__ import annotations

from typing import NamedTuple

from twin.timeline.entry import Lane


class Rule(NamedTuple):
    """Codes that begin with `prefix` belong to `lane`, whatever their category."""

    prefix: str
    lane: Lane


# The first that fits counts.
RULES = (
    *(
        Rule(prefix, Lane.SECURITY)
        for prefix in ("study_viewed", "record_", "access_", "break_glass", "consent", "session_")
    ),
    *(Rule(prefix, Lane.IMAGES) for prefix in ("study_", "reconstruction_")),
    *(
        Rule(prefix, Lane.MEDICATION)
        for prefix in ("dose_", "edge_acted", "edge_resumed", "intake_", "order_", "regimen_", "medication_")
    ),
    *(
        Rule(prefix, Lane.CARE)
        for prefix in ("device_assigned", "device_unassigned", "patient_", "limits_", "what_if_")
    ),
)
BY_CATEGORY = {
    "security": Lane.SECURITY,
    "data_quality": Lane.DEVICES,
    "operation": Lane.DEVICES,
    "clinical": Lane.MEDICATION,
}


def lane_of(category: str, code: str) -> Lane:
    """Return the lane of an event."""
    for rule in RULES:
        if code.startswith(rule.prefix):
            return rule.lane
    return BY_CATEGORY.get(category, Lane.MEDICATION)
