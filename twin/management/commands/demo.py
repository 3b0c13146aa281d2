"""`manage.py demo`: everything on one machine, for an afternoon of looking around. Ctrl-C stops all of it."""

from __future__ import annotations

import http.client
import os
import sys
import time
from argparse import ArgumentParser
from importlib.util import find_spec
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import OperationalError

from compliance.services.log_keys import log_signer
from imaging.services.keys import ensure_hospital_key
from twin.embedded import BrokerUnavailable, start_valkey
from twin.launcher import Child, Launcher, LaunchRefused, require_disk, require_free_port
from twin.management.commands.load_demo import SIGN_INS, demo_password
from twin.services.emulation import PATIENTS_PER_GATEWAY, TIME_ZONE

NEEDED_MB = 500
OVER_BLUETOOTH = 2  # the first patients' devices: enough to see it work, and no burden on a laptop
PAGES_FROM = 8780  # the port of the first gateway's own page, as docs/edge.md has it
WITNESSES = ("witness-1", "witness-2")  # beside the house; a real one runs elsewhere


class Command(BaseCommand):
    """Start web, workers and the emulated ward, and print where to look."""

    help = "Start a live demonstration ward: web, workers, broker and emulated gateways."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--patients", type=int, default=12)
        parser.add_argument("--no-ward", action="store_true", help="start no emulated gateways")

    def handle(self, *, host: str, port: int, patients: int, no_ward: bool, **_: object) -> None:
        """Check, prepare, start, watch, stop."""
        require_free_port(host, port)
        require_disk(settings.HOME, NEEDED_MB)
        broker = None
        launcher = Launcher(settings.HOME / "log", self.say)
        try:
            if settings.EMBEDDED and not settings.REDIS_URL:
                broker = start_valkey(settings.VALKEY_SOCKET, settings.HOME / "valkey")
            self.start(launcher, host, port, patients, no_ward)
            launcher.watch()
        except KeyboardInterrupt:
            self.say("Interrupted before the ward was up.")
        except BrokerUnavailable as error:
            raise LaunchRefused(str(error)) from error
        except OperationalError as error:
            raise LaunchRefused(
                f"The database cannot be used ({error}): is the disk full, or another start running?"
            ) from error
        finally:
            self.say("Stopping.")
            launcher.stop()
            if broker is not None:
                broker.terminate()
                broker.wait(10)

    def start(self, launcher: Launcher, host: str, port: int, patients: int, no_ward: bool) -> None:
        """Bring the database up to date, start the processes in order, and print the address."""
        call_command("migrate", verbosity=0, interactive=False)
        if settings.STATIC_ROOT:  # on a real database: production serves collected files alone
            call_command("collectstatic", verbosity=0, interactive=False)
        opening_key = ensure_hospital_key(settings.HOME / "keys").seed
        python = [sys.executable, "-m"]
        endpoint = f"tcp:port={port}:interface={host}:backlog=2048"
        serve = [*python, "twin.daphne", "-v", "0", "-e", endpoint, "twin.asgi:application"]
        launcher.add(Child("web", serve, {"HOUSE_TIME_ZONE": os.environ.get("HOUSE_TIME_ZONE", TIME_ZONE)}))
        call_command("load_demo", patients=patients, verbosity=0)  # while the web server is still importing
        celery = [*python, "celery", "-A", "twin.celery"]
        worker = [*celery, "worker", "--concurrency", "1", "--without-gossip", "--without-mingle"]
        # The opening key of sealed studies is in the worker's environment and in nobody else's.
        key = {"IMAGING_OPENING_KEY_FILE": str(opening_key)}
        launcher.add(Child("worker", [*worker, "--loglevel", "warning"], key))
        launcher.add(Child("beat", [*celery, "beat", "--loglevel", "warning"]))
        for name in WITNESSES:
            launcher.add(Child(name, [*python, "compliance.witness", *_witness_options(name)]))
        launcher.add(Child("log", [sys.executable, str(Path(sys.argv[0]).resolve()), "run_log"]))
        _wait_until_healthy(host, port)
        self.announce(host, port)
        if not no_ward:
            self.announce_gateways(patients)
            self.populate(launcher, host, port, patients)

    def populate(self, launcher: Launcher, host: str, port: int, patients: int) -> None:
        """Start the emulated gateways, and send the sample studies."""
        manage = [sys.executable, str(Path(sys.argv[0]).resolve())]
        server = f"ws://{host}:{port}/ws/gateway/"
        ward = [*manage, "emulate_ward", "--patients", str(patients), "--server", server, "--pages", str(PAGES_FROM)]
        if find_spec("bumble") is not None:  # the extra `bluetooth`; without it all devices are on the in-process link
            ward += ["--bluetooth", str(OVER_BLUETOOTH)]
        launcher.add(Child("ward", ward))
        studies = [*manage, "send_samples", "--server", f"http://{host}:{port}"]
        launcher.add(Child("scanner", studies, once=True))

    def announce(self, host: str, port: int) -> None:
        """Print the address and the sign-ins."""
        password = demo_password()
        width = max(len(name) for name, *_ in SIGN_INS)
        self.say(f"\n  Medtwin is running:  http://{host}:{port}/\n")
        self.say(f"  Sign in with one of these names and the password  {password}\n")
        for username, _role, what in SIGN_INS:
            self.say(f"    {username:<{width}}  {what}")
        self.say("\n  Staff are asked for a second factor: the page fills in the demo's code. Press the button.")
        self.say(f"\n  To try a passkey, open http://localhost:{port}/: an address of numbers cannot hold one.\n")
        self.say("\n  Patients, readings and images here are synthetic. Ctrl-C stops everything.\n")

    def announce_gateways(self, patients: int) -> None:
        """Print where the gateways' own pages are: they are on this computer alone."""
        count = -(-max(patients, 1) // PATIENTS_PER_GATEWAY)
        pages = ", ".join(f"http://127.0.0.1:{PAGES_FROM + number}/" for number in range(count))
        self.say(f"\n  The gateways' own pages, with the rules that need no server: {pages}\n")

    def say(self, sentence: str) -> None:
        """Print at once, also into a pipe."""
        self.stdout.write(sentence)
        self.stdout.flush()


def _witness_options(name: str) -> list[str]:
    folder = settings.LOG_WITNESS_FOLDER / name
    return ["--name", f"medtwin.example/{name}", "--folder", str(folder), "--log", log_signer().verifier.encoded()]


def _wait_until_healthy(host: str, port: int, timeout_s: float = 300.0) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(host, port, timeout=5)
        try:
            connection.request("GET", "/healthz/ready", headers={"Host": f"localhost:{port}"})
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    log = Path(os.path.relpath(settings.HOME / "log" / "web.log"))
    raise LaunchRefused(f"The web server did not come up within {timeout_s:.0f} s: see {log}.")
