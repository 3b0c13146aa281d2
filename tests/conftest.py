"""Shared fixtures. The environment is settled here, before settings are read: every run has a folder of its own."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests import template
from tests.brokers import claim_redis
from tests.connections import let_connections_say_who_opened_them
from tests.patience import PATIENCE_S, be_patient_with_sockets

_HOME = Path(tempfile.mkdtemp(prefix="home-", dir=template.RUN))
if not os.environ.get("DATABASE_URL"):
    template.share_secrets(_HOME)
(_HOME / "static").mkdir()  # where production keeps collected files; WhiteNoise warns when it is absent
os.environ["MEDTWIN_HOME"] = str(_HOME)
_TEMPLATE_MAKER = pytest.StashKey[Any]()
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
# That a machine is busy is no defect: neither slow draws nor slow examples fail a property test.
_UNHURRIED = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("unhurried", hypothesis.settings(), **_UNHURRIED)
hypothesis.settings.load_profile("unhurried")


def _settle_services() -> None:
    """On real services, give each process a Redis database and telemetry inside its own test database."""
    if url := os.environ.get("REDIS_URL"):
        os.environ["REDIS_URL"] = claim_redis(url, "the process itself")
    if url := os.environ.get("DATABASE_URL"):
        base, name = url.rsplit("/", 1)
        os.environ["TELEMETRY_URL"] = f"{base}/test_{name}" + (f"_{_WORKER}" if _WORKER else "")


def pytest_configure(config: pytest.Config) -> None:
    """Load the settings now that the environment stands; pytest-django sets Django up after this.

    Not named in pyproject or in the environment of xdist's controller: pytest-django would read the settings before
    this file was imported, and tests would write into the real data folder.
    """
    if config.getoption("numprocesses", default=None):
        config.stash[_TEMPLATE_MAKER] = template.make_in_the_background()
        return
    _settle_services()
    be_patient_with_sockets()
    if os.environ.get("DATABASE_URL"):
        let_connections_say_who_opened_them()
    os.environ["DJANGO_SETTINGS_MODULE"] = "twin.settings"
    from django.conf import settings

    assert Path(settings.HOME) == _HOME
    # A connection that a helper thread of asgiref keeps would stop PostgreSQL from dropping the test database.
    settings.DATABASES["default"]["CONN_MAX_AGE"] = 0


os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "0")
os.environ.setdefault("MEDTWIN_LOG", "WARNING")
os.environ.setdefault("MEDTWIN_ENERGY_FLUSH_S", "0")  # no thread that writes beside a test

SIGN_IN_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # of the whole cast, as an app would hold it
STAFF = {"nurse", "physician", "administrator", "trainer"}
ROLES = ["nurse", "physician", "caregiver", "administrator", "trainer"]


@pytest.fixture(autouse=True)
def _worn_for_a_month(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let devices that a test makes have been worn before it began: tests bring readings of the last days.

    Tests marked `strict_wear` are about when a device was put on, and go without.
    """
    from django.db.models.signals import post_save

    from devices.models import Device, DeviceAssignment

    def backdate(instance: Device, created: bool, **_: object) -> None:
        if created and instance.patient_id is not None:
            held = DeviceAssignment.objects.filter(device=instance, ends_at=None)
            held.update(starts_at=datetime.now(tz=UTC) - timedelta(days=31))

    if "strict_wear" not in request.keywords:
        post_save.connect(backdate, sender=Device, dispatch_uid="tests.wear", weak=False)
    yield
    post_save.disconnect(sender=Device, dispatch_uid="tests.wear")


@pytest.fixture
def ward(db: None):  # type: ignore[no-untyped-def]
    from compliance.models import Ward

    return Ward.objects.create(name="Ward 4")


@pytest.fixture
def other_ward(db: None):  # type: ignore[no-untyped-def]
    from compliance.models import Ward

    return Ward.objects.create(name="Ward 9")


def _patient(ward, number: str, given: str, family: str):  # type: ignore[no-untyped-def]
    from compliance.models import Patient

    return Patient.objects.create(
        medical_record_number=number,
        given_name=given,
        family_name=family,
        birth_date=date(1961, 5, 17),
        sex="female",
        weight_kg=70.0,
        ward=ward,
        bed="4-1",
        time_zone="Europe/Berlin",
    )


@pytest.fixture
def patient(ward):  # type: ignore[no-untyped-def]
    return _patient(ward, "T-001", "Ada", "Byron")


@pytest.fixture
def foreign_patient(other_ward):  # type: ignore[no-untyped-def]
    return _patient(other_ward, "T-900", "Mary", "Somerville")


@pytest.fixture(scope="session", autouse=True)
def hashing_cost() -> Iterator[dict[str, int]]:
    """Let Argon2, slow on purpose, take 0.05 ms instead of 250 ms: a new set of recovery codes alone is ten hashes.

    What a test sees is a hash of the same kind. Returned is what the product spends on one; memory_cost in KiB.
    """
    from django.contrib.auth.hashers import Argon2PasswordHasher

    cheap = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}
    own = {name: getattr(Argon2PasswordHasher, name) for name in cheap}
    with pytest.MonkeyPatch.context() as patch:
        for name, cost in cheap.items():
            patch.setattr(Argon2PasswordHasher, name, cost)
        yield own


@pytest.fixture(scope="session", autouse=True)
def _find_static_files_once() -> Iterator[None]:
    """Let WhiteNoise look for the files that it serves once a process, not for every test's client."""
    from whitenoise.middleware import WhiteNoiseMiddleware

    found: dict[str, Any] = {}
    look = WhiteNoiseMiddleware.add_files_from_finders

    def look_once(self: WhiteNoiseMiddleware) -> None:
        if not found:
            look(self)
            found.update(self.files)
        self.files.update(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", look_once)
        yield


@cache
def _hashed_password() -> str:
    from django.contrib.auth.hashers import make_password

    return make_password("correct horse battery")


@cache
def _sealed_totp_secret() -> str:
    from allauth.mfa.utils import encrypt

    return str(encrypt(TOTP_SECRET))


def give_totp(user) -> None:  # type: ignore[no-untyped-def]
    """Enrol the cast's authenticator app for `user`."""
    from allauth.mfa.models import Authenticator

    Authenticator.objects.create(user=user, type="totp", data={"secret": _sealed_totp_secret()})


def totp_code(steps_from_now: int = 0) -> str:
    """Return the code that the cast's app shows now, or some half minutes from now."""
    import time
    from base64 import b32decode

    from compliance.factors import totp

    return totp.code_at(b32decode(TOTP_SECRET), totp.step_of(time.time()) + steps_from_now)


@pytest.fixture
def one_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clock stand still, so that a code stays the code of now throughout the test."""
    import time

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)


def sign_in(client, user, *, fresh: bool = False):  # type: ignore[no-untyped-def]
    """Sign `user` in; with `fresh`, as if a second factor had been proved this moment. Returns the client."""
    client.force_login(user, backend=SIGN_IN_BACKEND)
    if fresh:
        import time

        session = client.session
        session["account_authentication_methods"] = [{"method": "mfa", "type": "totp", "at": time.time()}]
        session["account_authentication_methods_user"] = str(user.pk)
        session.save()
    return client


@pytest.fixture
def fresh_client(client) -> Callable[..., object]:  # type: ignore[no-untyped-def]
    """Return `fresh_client(user)`: the client, signed in, with a second factor of this moment."""
    return lambda user: sign_in(client, user, fresh=True)


@pytest.fixture
def make_user(db: None) -> Callable[..., object]:
    """Return a maker of signed-up people: `make_user("nurse", ward=ward)`. Staff come with an authenticator app."""
    from compliance.models import CareRelationship, User

    def make(
        role: str,
        *,
        ward: object | None = None,
        patient: object | None = None,
        username: str | None = None,
        second_factor: bool = True,
        own_patient: object | None = None,
    ) -> object:
        user = User.objects.create(
            username=username or role, password=_hashed_password(), role=role, own_patient=own_patient
        )
        if role in STAFF and second_factor:
            give_totp(user)
        if ward is not None or patient is not None:
            start = datetime.now(tz=UTC) - timedelta(days=1)
            CareRelationship.objects.create(user=user, ward=ward, patient=patient, starts_at=start)
        return user

    return make


@pytest.fixture
def cast(make_user, ward, patient):  # type: ignore[no-untyped-def]
    """The fixed cast: one of each role, and an outsider who must always be refused."""
    people = {role: make_user(role, ward=ward) for role in ROLES if role != "caregiver"}
    people["caregiver"] = make_user("caregiver", patient=patient)
    people["patient"] = make_user("patient", own_patient=patient)
    people["outsider"] = make_user("none", username="outsider")
    return people


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of public data; a test that needs it skips with the reason where it is absent."""
    path = Path(os.environ.get("MEDTWIN_DATA", Path(__file__).resolve().parent.parent.parent / "shared"))
    if not path.is_dir():
        pytest.skip(f"no public data at {path}: set MEDTWIN_DATA")
    return path


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """A running broker at settings.HUB_URL: the embedded Valkey, or the real Redis when REDIS_URL is set."""
    from django.conf import settings

    if settings.REDIS_URL:
        yield settings.HUB_URL
        return
    from twin.embedded import start_valkey

    process = start_valkey(settings.VALKEY_SOCKET, settings.HOME / "valkey")
    yield settings.HUB_URL
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: Any) -> Iterator[None]:
    """Give this process a migrated database of its own, in place of pytest-django's, which migrates one in each."""
    from django.conf import settings
    from django.db import connections

    with django_db_blocker.unblock():
        connections.close_all()
        if settings.EMBEDDED:
            name = str(settings.DATABASES["default"]["TEST"]["NAME"])
            template.copy_to_file(Path(name))
        else:
            name = settings.TELEMETRY_URL.rsplit("/", 1)[1]  # telemetry is inside it
            template.copy_to_server(name)
        connection = connections["default"]
        settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name
    yield
    with django_db_blocker.unblock():
        connections.close_all()
        if not settings.EMBEDDED:
            template.drop_database(name)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs an MQTT broker where none is named: the embedded mode has none."""
    if _WORKER:
        from tests.scheduling import longest_first

        longest_first(items)
    if os.environ.get("MQTT_URL"):
        return
    needing = [item for item in items if item.get_closest_marker("mqtt")]
    if needing:
        config.hook.pytest_deselected(items=needing)
        items[:] = [item for item in items if not item.get_closest_marker("mqtt")]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Wait for the database here, outside of any test's time, and take what was imported away from the collector.

    Modules and their classes are most of what lives, and none of it is ever garbage: walking it costs a seventh of the
    processor's time of ordinary tests.
    """
    if any("db" in getattr(item, "fixturenames", ()) or item.get_closest_marker("django_db") for item in session.items):
        template.make()
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand files out to the workers so that one of them runs the ward of the browser tests."""
    from tests.scheduling import OneWard

    return OneWard(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):  # type: ignore[no-untyped-def]
    """In CI a skipped test is a failure, unless it needs a GPU."""
    outcome = yield
    report = outcome.get_result()
    excused = hasattr(report, "wasxfail") or item.get_closest_marker("gpu") is not None
    if report.skipped and os.environ.get("CI") and not excused:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"skipped in CI: {reason}"


@pytest.fixture(scope="session", autouse=True)
def _patient_with_brokers_and_threads() -> None:
    """Let a broker that answers late on a busy machine be heard: in life it is given up, and what was told is lost."""
    from compliance.services import log_witnesses, rates, witness_calls
    from devices.services import ingest, sealing
    from devices.transport import broker, dial
    from twin.services import live
    from twin.upkeep import readiness

    witness_calls.TIMEOUT_S = witness_calls.DEADLINE_S = PATIENCE_S
    log_witnesses.cosign.__defaults__ = (PATIENCE_S,)
    readiness.ANSWER_S = PATIENCE_S
    dial.OPEN_WITHIN_S = broker.ANSWER_WITHIN_S = PATIENCE_S / 2
    rates.BROKER_TIMEOUT_S = live.BROKER_TIMEOUT_S = PATIENCE_S
    # A writer that is given up goes on beside the next test, with its store closed and its tables emptied.
    ingest.Ingest.stop.__defaults__ = sealing.Sealer.stop.__defaults__ = (PATIENCE_S,)


@pytest.fixture(autouse=True)
def _fresh_telemetry() -> Iterator[None]:
    """Empty the telemetry store after a test that used it: device ids come again, readings must not."""
    yield
    from django.conf import settings

    from devices.services.telemetry import close_store

    if not close_store():
        return
    if settings.TELEMETRY_URL.startswith("sqlite"):
        for path in Path(settings.TELEMETRY_URL.removeprefix("sqlite:///")).parent.glob("telemetry.sqlite3*"):
            path.unlink()
        return
    import psycopg

    with psycopg.connect(settings.TELEMETRY_URL, autocommit=True) as database:
        if database.execute("select to_regclass('reading')").fetchone() != (None,):
            database.execute("truncate reading, copy, span, latest, waveform, replay, frame_group, frame_seal")


@pytest.fixture(autouse=True)
def _fresh_rates() -> Iterator[None]:
    """Let rate limits start anew: every test comes from the same address, and ids come again."""
    yield
    import sys

    from django.core.cache import cache

    cache.clear()  # where allauth counts what was asked of it
    if rates := sys.modules.get("compliance.services.rates"):
        rates.counters().forget()


@pytest.fixture(autouse=True)
def _fresh_alert_watch() -> Iterator[None]:
    """Let the process forget the devices it watched: their ids come again with other patients."""
    yield
    import sys

    if watching := sys.modules.get("twin.services.alert_watch"):
        watching.alert_watch.forget()
