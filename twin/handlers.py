"""What the twin does when lower packages announce a fact."""

from __future__ import annotations


def connect() -> None:
    """Connect every handler; called once from AppConfig.ready."""
    from twin import handlers_alerts, handlers_imaging, handlers_intake, handlers_live

    handlers_alerts.connect()
    handlers_imaging.connect()
    handlers_intake.connect()
    handlers_live.connect()
