"""What every route tells a browser, walked from the URL configuration, and what production adds to it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from django.test import Client

from tests.system.routes import BELOW_DASH, private_routes, routes

ROOT = Path(__file__).resolve().parents[2]
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
SAID = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
MUST_HOLD = {
    "default-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
# These files hold no patient data: Dash's own scripts, which a signed-in browser may keep.
KEPT = {"analytics/assets/<str:package>/<path:name>"}


def faults_of(response) -> list[str]:
    """Return what is wrong with the headers of an answer."""
    policy = dict(part.strip().split(" ", 1) for part in response["Content-Security-Policy"].split(";"))
    faults = [f"{name}: {policy.get(name)}" for name, value in MUST_HOLD.items() if policy.get(name) != value]
    faults += [f"{name}: {value}" for name, value in policy.items() if "unsafe" in value or "*" in value]
    faults += [f"{name}: {response.get(name)}" for name, value in SAID.items() if response.get(name) != value]
    faults += [] if "camera=()" in response.get("Permissions-Policy", "") else ["Permissions-Policy"]
    return faults


@pytest.fixture
def values(patient) -> dict[str, object]:
    from tests.system.objects import objects_of

    own = {"factor_id": 1, "session_id": uuid.uuid4()}  # of one's account
    return {"patient_id": patient.pk, **BELOW_DASH, **own, **objects_of(patient)}


@pytest.mark.parametrize("who", ["nobody", "physician", "administrator"])
def test_every_answer_of_every_route_carries_the_headers(who: str, client: Client, cast, values) -> None:
    if who != "nobody":
        client.force_login(cast[who], backend=BACKEND)
    wrong = {}
    for route in routes():
        if "^" in route.template:
            continue
        response = client.get(route.filled(values))
        if faults := faults_of(response):
            wrong[route.template] = faults
        if route in private_routes() and route.template not in KEPT and "no-store" not in response["Cache-Control"]:
            wrong[route.template] = [response["Cache-Control"]]
    assert wrong == {}


@pytest.mark.parametrize("path", ["/static/css/tokens.css", "/nowhere/", "/healthz", "/account/login/"])
def test_files_errors_and_public_pages_carry_them_too(path: str, client: Client, db) -> None:
    assert faults_of(client.head(path)) == []


def test_a_page_holds_no_inline_script_or_style(client: Client, cast, values) -> None:
    client.force_login(cast["physician"], backend=BACKEND)
    wrong = []
    for route in private_routes():
        response = client.get(route.filled(values))
        if not response.get("Content-Type", "").startswith("text/html"):
            continue
        html = response.content.decode()
        wrong += [(route.template, tag) for tag in re.findall(r"<[^>]+\s(?:style|on\w+)=[^>]*>", html)]
        wrong += [(route.template, tag) for tag in re.findall(r"<style\b[^>]*>", html)]
    assert wrong == []


def production(*command: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run manage.py as production would, with files for secrets. Nothing is connected to."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME", "MEDTWIN_HOME") if name in os.environ}
    settings = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "ALLOWED_HOSTS": "ward.example",
    }
    return subprocess.run(
        [sys.executable, "manage.py", *command], cwd=ROOT, env=kept | settings | more, text=True, capture_output=True
    )


@pytest.fixture
def secret_files(tmp_path: Path) -> dict[str, str]:
    names = ["SECRET_KEY", "FIELD_KEY", "ARCHIVE_KEY", "LOG_KEY"]
    for name in names:
        (tmp_path / name).write_text(f"{name}-kZ3vQ8xW1mB5nC7dF9gH2jK4lP6rS0tUyEaOiXqLwNz")
    return {f"{name}_FILE": str(tmp_path / name) for name in names}


def test_production_passes_djangos_own_check_without_a_warning(secret_files: dict[str, str]) -> None:
    checked = production("check", "--deploy", "--fail-level", "INFO", **secret_files)
    assert checked.returncode == 0, checked.stderr
    assert "no issues (0 silenced)" in checked.stdout + checked.stderr


def test_production_asks_for_tls_and_locks_its_cookies(secret_files: dict[str, str]) -> None:
    asked = "from django.conf import settings as s; print({n: getattr(s, n) for n in dir(s) if n.isupper()"
    asked += " and ('SECURE' in n or 'COOKIE' in n)})"
    shown = production("shell", "--no-imports", "-c", asked, **secret_files)
    assert shown.returncode == 0, shown.stderr
    said = eval(shown.stdout)
    assert said["SECURE_HSTS_SECONDS"] >= 31_536_000
    for name in (
        "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SESSION_COOKIE_HTTPONLY", "SECURE_SSL_REDIRECT",
        "SECURE_HSTS_INCLUDE_SUBDOMAINS", "SECURE_HSTS_PRELOAD", "SECURE_CONTENT_TYPE_NOSNIFF",
    ):  # fmt: skip
        assert said[name] is True, name
    assert (said["SESSION_COOKIE_SAMESITE"], said["CSRF_COOKIE_SAMESITE"]) == ("Lax", "Lax")
    assert said["SESSION_COOKIE_NAME"].startswith("__Host-")
    assert said["CSRF_COOKIE_NAME"].startswith("__Host-")


def test_an_answer_over_tls_tells_the_browser_to_stay_with_tls(client: Client, settings, db) -> None:
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    assert Client().get("/account/login/", secure=True)["Strict-Transport-Security"] == (
        "max-age=31536000; includeSubDomains"
    )
