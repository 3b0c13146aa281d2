"""The texts that can stand on either side of a comparison: the house's own, versions put down, one's draft."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils import timezone

from compliance.models import PolicyVersion
from compliance.policy import Policy, house_text, read_policy
from compliance.selectors.policy import checked_policy

DRAFT, HOUSE = "draft", "0"
SESSION_KEY = "policy_draft"  # a draft is its author's, and is kept as long as they stay signed in
MOST_VERSIONS = 200


@dataclass(frozen=True, slots=True)
class Side:
    """One text: its key in addresses, what it is called, and whether it decides now."""

    key: str
    title: str
    text: str
    active: bool = False
    sha256: str = ""

    def policy(self) -> Policy:
        """Return what it states. Raises PolicyInvalid, also for a version that was changed in the database."""
        return checked_policy(self.text, self.sha256) if self.sha256 else read_policy(self.text)


def sides(request: HttpRequest) -> list[Side]:
    """Return what can be compared: one's draft, the newest 200 versions, and the house's own."""
    versions = [_version(row) for row in PolicyVersion.objects.all()[:MOST_VERSIONS]]
    draft = draft_of(request)
    mine = [Side(DRAFT, "Your draft", draft)] if draft else []
    active = PolicyVersion.objects.filter(active=True).first()
    if active is not None and not any(side.active for side in versions):
        versions.append(_version(active))
    return [*mine, *versions, Side(HOUSE, "Version 0, of the house", house_text(), active=active is None)]


def side_of(request: HttpRequest, key: str) -> Side | None:
    """Return one text by its key; None for one that is not there."""
    found = next((side for side in sides(request) if side.key == key), None)
    if found is not None or not (key.isascii() and key.isdigit() and len(key) < 18):
        return found
    row = PolicyVersion.objects.filter(pk=int(key)).first()  # older than what is offered
    return None if row is None else _version(row)


def active_text() -> str:
    """Return the text that decides now."""
    return PolicyVersion.objects.filter(active=True).values_list("text", flat=True).first() or house_text()


def draft_of(request: HttpRequest) -> str:
    """Return the draft of whoever asks; empty where there is none."""
    return str(request.session.get(SESSION_KEY, ""))


def keep_draft(request: HttpRequest, text: str) -> None:
    """Keep `text` as the draft of whoever asks, to be compared with any version."""
    request.session[SESSION_KEY] = text


def forget_draft(request: HttpRequest) -> None:
    """Forget the draft: it became a version."""
    request.session.pop(SESSION_KEY, None)


def changed_lines(before: str, after: str) -> list[tuple[str, str]]:
    """Return the lines that differ with their surroundings, each with its kind: added, removed or same."""
    kinds = {"+": "added", "-": "removed"}
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2))[2:]
    return [(kinds.get(line[:1], "same"), line) for line in lines]


def _version(row: PolicyVersion) -> Side:
    made = timezone.localtime(row.made_at)
    note = f": {row.note}" if row.note else ""
    return Side(str(row.pk), f"Version {row.pk} of {made:%Y-%m-%d}{note}"[:90], row.text, row.active, row.sha256)
