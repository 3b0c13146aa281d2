"""What of this package can be named on the page of the policy: alarms."""

from __future__ import annotations

from compliance.named import by_key
from compliance.policy.finders import Finder, register_finders
from twin.models import Alert


def register() -> None:
    """Tell the registry; called once from AppConfig.ready."""
    register_finders(
        [
            Finder(
                "alert",
                lambda: Alert.objects.select_related("patient__ward"),
                title=lambda alert: f"Alarm {alert.pk}, raised {alert.raised_at:%Y-%m-%d %H:%M}",
                called=by_key,
            )
        ]
    )
