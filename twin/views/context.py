"""What every template may use."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from compliance.policy.asking import current
from compliance.selectors.emergency import open_emergencies_of
from compliance.selectors.notices import open_notices_for
from twin.views.navigation import navigation


def house(request: HttpRequest) -> dict[str, object]:
    """Return whether this is the demo, the pages that this user may open, and what must not be missed."""
    user = request.user
    closed = not user.is_authenticated or getattr(request, "enrolling", False)
    runs_house = not closed and user.has_perm("compliance.view_notices")
    return {
        "locked": lambda: bool(current().locked),  # asked while the page is drawn: by then its lists were looked up
        "demo": settings.DEMO,
        "time_zone": timezone.get_current_timezone_name(),
        "navigation": () if closed else navigation(user.has_perm, request.path),
        "idle_s": int(settings.IDLE_FOR.total_seconds()),
        "runs_house": runs_house,
        "emergencies": () if closed else open_emergencies_of(user),  # type: ignore[arg-type]
        "notices": open_notices_for(user) if runs_house else (),  # type: ignore[arg-type]  # rights are a User's
    }
