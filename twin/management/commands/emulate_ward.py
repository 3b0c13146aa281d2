"""`manage.py emulate_ward`: patients that do not exist, whose devices speak through real gateway processes."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from compliance.models import Ward
from twin.launcher import Child, Launcher
from twin.services.emulation import prepare_ward


class Command(BaseCommand):
    """Register an emulated ward and run its gateways until interrupted."""

    help = "Run any number of emulated patients through real gateway processes (idempotent)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("--patients", type=int, default=12)
        parser.add_argument("--gateways", type=int, default=None, help="default: one for every six patients")
        parser.add_argument("--server", default="ws://127.0.0.1:8000/ws/gateway/")
        parser.add_argument("--ward", default="Ward 4 East")
        parser.add_argument(
            "--bluetooth", type=int, default=0, help="patients whose devices speak over a virtual Bluetooth link"
        )
        parser.add_argument(
            "--pages", type=int, default=None, help="port of the first gateway's own page; its rules then act, too"
        )
        parser.add_argument("--no-script", action="store_true", help="nothing special happens to anybody")
        parser.add_argument("--prepare-only", action="store_true", help="register and write the files, start nothing")

    def handle(
        self,
        *,
        patients: int,
        gateways: int | None,
        server: str,
        ward: str,
        bluetooth: int,
        pages: int | None,
        no_script: bool,
        prepare_only: bool,
        **_: object,
    ) -> None:
        """Prepare, start one process for each gateway, restart those that die, stop all on SIGINT or SIGTERM."""
        if not settings.DEMO:
            raise CommandError("This is not a demonstration: set MEDTWIN_DEMO=yes to put emulated patients here.")
        if patients < 1 or (gateways is not None and not 1 <= gateways <= patients):
            raise CommandError("Give at least one patient, and from one gateway to one for each patient.")
        place, _created = Ward.objects.get_or_create(name=ward)
        prepared = prepare_ward(
            ward=place,
            patients=patients,
            gateways=gateways,
            server=server,
            folder=settings.HOME / "gateways",
            now=time.time(),
            scripted=not no_script,
            over_bluetooth=bluetooth,
            pages_from=pages,
        )
        self.stdout.write(f"{patients} emulated patients behind {len(prepared)} gateways.")
        if not prepare_only:
            run([Child(g.name, [sys.executable, "-m", "devices.gateway", "--config", str(g.config)]) for g in prepared])


def run(children: list[Child]) -> None:
    """Keep the processes alive until a signal arrives, then stop them all."""
    launcher = Launcher(settings.HOME / "log", lambda sentence: print(sentence, flush=True))
    try:
        for child in children:
            # One thread each: dozens of NumPy thread pools on a small machine only get in each other's way.
            child.environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            launcher.add(child)
        launcher.watch()
    finally:
        launcher.stop()
