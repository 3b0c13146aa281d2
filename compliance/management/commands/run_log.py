"""`manage.py run_log`: sequence and sign the transparency log, have it witnessed, watch it. Two may run: one leads."""

from __future__ import annotations

import logging
import time
from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections

from compliance.services.log_keys import log_signer
from compliance.services.log_memory import HeadMemory
from compliance.services.log_turns import Turns, leadership

log = logging.getLogger(__name__)
EVERY_S = 0.5
ONCE_WAITS_S = 10.0  # for witnesses, where no next turn takes up what they answer
STAND_BY_S = 2.0


class Command(BaseCommand):
    """Keep the transparency log."""

    help = "Sequence, sign and watch the transparency log, and have its heads cosigned by witnesses."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("--once", action="store_true", help="do one turn and end")
        parser.add_argument("--key", action="store_true", help="print the log's public key, for witnesses, and end")

    def handle(self, *, once: bool, key: bool, **_: object) -> None:
        """Work until stopped. A database that does not answer is waited for."""
        if key:
            self.stdout.write(log_signer().verifier.encoded())
            return
        while True:
            try:
                with leadership() as leads:
                    if leads:
                        _keep(once)
            except DatabaseError as error:
                log.warning("the database did not answer: %s", type(error).__name__)
                close_old_connections()
            if once:
                return
            time.sleep(STAND_BY_S)


def _keep(once: bool) -> None:
    turns = Turns(HeadMemory(settings.HOME / "run" / "log.seen"))
    while True:
        turns.turn(ONCE_WAITS_S if once else 0.0)
        if once:
            return
        time.sleep(EVERY_S)
