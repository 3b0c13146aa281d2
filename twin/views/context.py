"""What every template may use."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def house(request: HttpRequest) -> dict[str, object]:
    """Return whether this is the demo, and the navigation entries that this user may open."""
    user = request.user
    entries = [
        ("Ward", "/", "compliance.view_patient"),
        ("Alerts", "/alerts/", "twin.view_alert"),
        ("Imaging", "/imaging/", "imaging.view_study"),
        ("Devices", "/devices/", "devices.view_device"),
        ("Energy", "/analytics/energy/", "twin.view_analytics"),
        ("Security", "/analytics/security/", "twin.view_analytics"),
        ("Adherence", "/analytics/adherence/", "compliance.view_adherence"),
    ]
    allowed = [] if not user.is_authenticated else [(n, u) for n, u, perm in entries if user.has_perm(perm)]
    return {"demo": settings.DEMO, "navigation": allowed}
