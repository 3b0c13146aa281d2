"""The first page of a copy: what is in it, in words, and how to check the proofs."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from django.template.loader import render_to_string

from compliance.copies.archive import Member
from compliance.copies.registry import Asked


def index_of(asked: Asked, members: Sequence[Member], notes: Sequence[str]) -> bytes:
    """Return index.html, which needs nothing but a browser."""
    context = {
        "patient": asked.patient,
        "at": asked.at.astimezone(ZoneInfo(asked.patient.time_zone)),
        "members": members,
        "proofs": [member for member in members if member.name.startswith("log/")],
        "notes": notes,
    }
    return render_to_string("compliance/record_copy_index.html", context).encode()
