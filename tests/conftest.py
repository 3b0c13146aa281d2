"""Shared fixtures. The environment is settled here, before settings are read: every run has a folder of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from tests.brokers import claim_redis

_HOME = Path(tempfile.mkdtemp(prefix="medtwin-test-"))
(_HOME / "static").mkdir()  # where production keeps collected files; WhiteNoise warns when it is absent
os.environ["MEDTWIN_HOME"] = str(_HOME)
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")


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
        return
    _settle_services()
    os.environ["DJANGO_SETTINGS_MODULE"] = "twin.settings"
    from django.conf import settings

    assert Path(settings.HOME) == _HOME
    # A connection that a helper thread of asgiref keeps would stop PostgreSQL from dropping the test database.
    settings.DATABASES["default"]["CONN_MAX_AGE"] = 0


os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "0")
os.environ.setdefault("MEDTWIN_LOG", "WARNING")
os.environ.setdefault("MEDTWIN_ENERGY_FLUSH_S", "0")  # no thread that writes beside a test

ROLES = ["nurse", "physician", "caregiver", "administrator", "trainer"]


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


@cache
def _hashed_password() -> str:
    """Argon2 is slow on purpose: hash the cast's one password once."""
    from django.contrib.auth.hashers import make_password

    return make_password("correct horse battery")


@pytest.fixture
def make_user(db: None) -> Callable[..., object]:
    """Return a maker of signed-up people: `make_user("nurse", ward=ward)`."""
    from compliance.models import CareRelationship, User

    def make(
        role: str, *, ward: object | None = None, patient: object | None = None, username: str | None = None
    ) -> object:
        user = User.objects.create(username=username or role, password=_hashed_password(), role=role)
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


@pytest.fixture(scope="session", autouse=True)
def _clean_home() -> Iterator[None]:
    yield
    import shutil

    shutil.rmtree(_HOME, ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs an MQTT broker where none is named: the embedded mode has none."""
    if os.environ.get("MQTT_URL"):
        return
    needing = [item for item in items if item.get_closest_marker("mqtt")]
    if needing:
        config.hook.pytest_deselected(items=needing)
        items[:] = [item for item in items if not item.get_closest_marker("mqtt")]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):  # type: ignore[no-untyped-def]
    """In CI a skipped test is a failure, unless it needs a GPU."""
    outcome = yield
    report = outcome.get_result()
    excused = hasattr(report, "wasxfail") or item.get_closest_marker("gpu") is not None
    if report.skipped and os.environ.get("CI") and not excused:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"skipped in CI: {reason}"


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
            database.execute("truncate reading, span, latest, waveform, replay")


@pytest.fixture(autouse=True)
def _fresh_alert_watch() -> Iterator[None]:
    """Let the process forget the devices it watched: their ids come again with other patients."""
    yield
    import sys

    if watching := sys.modules.get("twin.services.alert_watch"):
        watching.alert_watch.forget()
