"""A whole ward, started as a user starts it: `manage.py demo` in a folder, database and broker of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import template
from tests.brokers import claim_redis
from tests.patience import eventually as eventually
from tests.ports import claim_port
from tests.system.ward import ROOT as ROOT
from tests.system.ward import RunningWard as RunningWard
from tests.system.ward import start_ward

PATIENTS = 8 if "MEDTWIN_PICTURES" in os.environ else 3
free_port = claim_port
_shared: list[RunningWard] = []  # none, or the one that runs


def isolated_environment(home: Path, name: str) -> dict[str, str]:
    """Return an environment whose data folder, database and broker nobody else uses.

    `name` tells apart what runs at the same time in one test process. Its database is migrated and otherwise empty, and
    so is its Redis number.
    """
    own = template.environment(home)
    if os.environ.get("DATABASE_URL"):
        tested = os.environ["TELEMETRY_URL"].rsplit("/", 1)[1]
        own["DATABASE_URL"] = template.copy_to_server(f"{tested}_{name}")
        own["REDIS_URL"] = claim_redis(os.environ["REDIS_URL"], name)
    else:
        template.share_secrets(home)
        template.copy_to_file(home / "medtwin.sqlite3")
    return own


@pytest.fixture
def running_ward(tmp_path_factory: pytest.TempPathFactory) -> RunningWard:
    """`manage.py demo` with a few patients, shared by all tests that ask for it; see `pytest_runtest_teardown`."""
    if not _shared:
        home = tmp_path_factory.mktemp("ward")
        _shared.append(start_ward(home, isolated_environment(home, "ward"), PATIENTS))
    return _shared[0]


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Stop the shared ward when the next test does not want it: its seven processes would slow all that come."""
    if _shared and (nextitem is None or "running_ward" not in getattr(nextitem, "fixturenames", ())):
        _shared.pop().stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless Chromium; the test skips with the reason where none is installed.

    It ends with its module: its event loop runs as long as it lives, and no test of sockets may run beside one.
    """
    from playwright.sync_api import sync_playwright

    from tests.system.chromium import EXECUTABLE, Chromium

    if not Path(EXECUTABLE).exists():
        pytest.skip("Chromium is not installed (Debian, Ubuntu: apt install chromium)")
    with sync_playwright() as playwright:
        chromium = Chromium(playwright)
        yield chromium
        chromium.browser.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add to the report of a browser test that failed what its pages show. Everything in a test's ward is made up."""
    outcome: Any = yield
    report = outcome.get_result()
    browser = getattr(item, "funcargs", {}).get("chromium")
    if report.failed and browser is not None:
        report.sections.append((f"Pages at the end of {call.when}", browser.described()))


@pytest.fixture
def visit(chromium: Any, running_ward: RunningWard) -> Iterator[Callable[..., Any]]:
    """A maker of visits that closes them and fails on any console error."""
    from tests.system.visits import Visit

    visits: list[Visit] = []

    def make(role: str, **options: Any) -> Visit:
        visits.append(Visit(chromium, running_ward, role, **options))
        return visits[-1]

    yield make
    for one in visits:
        one.context.close()
    assert [complaint for one in visits for complaint in one.complaints] == []


@pytest.fixture
def first_patient(visit: Callable[..., Any]) -> str:
    """The path of the patient to whom the caregiver is linked."""
    path = visit("caregiver").page.locator("[data-row] a[data-row-focus]").first.get_attribute("href")
    assert path
    return path
