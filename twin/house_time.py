"""Pages tell the house's time; what is stored, sent and logged stays UTC."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from typing import cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone


class HouseTime:
    """Middleware: times on pages, and times that people type into forms, are those of `HOUSE_TIME_ZONE`.

    A patient's own pages tell the time where the patient lives.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request in the house's time."""
        with timezone.override(zone_of(request)):
            return self.get_response(request)


def zone_of(request: HttpRequest) -> tzinfo:
    """Return the zone of the patient whose own sign-in this is, and the house's for everybody else."""
    patient = getattr(request.user, "own_patient", None)
    try:
        return ZoneInfo(patient.time_zone) if patient is not None else settings.HOUSE_TIME_ZONE
    except (ValueError, ZoneInfoNotFoundError):  # a record from elsewhere may name what this system does not know
        return cast(tzinfo, settings.HOUSE_TIME_ZONE)
