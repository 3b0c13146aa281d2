"""`manage.py send_hl7`: tells the HL7 receivers what devices measured."""

from __future__ import annotations

import signal
from threading import Event

from django.core.management.base import BaseCommand

from compliance.services.house_keys import stop_on_wrong_keys
from devices.services.hl7_serving import serve


class Command(BaseCommand):
    """Run until SIGTERM or SIGINT."""

    help = "Send observations as HL7 v2 messages to the configured receivers; a second one stands by."

    def handle(self, **_: object) -> None:
        """Serve; a signal lets the message under way finish."""
        stop_on_wrong_keys()
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        serve(stop)
