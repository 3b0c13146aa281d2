"""The environment: typed, and a wrong value stops the start with a sentence that helps."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from twin import env

ROOT = Path(__file__).resolve().parents[2]


def test_a_secret_is_generated_once_and_then_kept(tmp_path: Path) -> None:
    first = env.secret("SOME_KEY", tmp_path / "secrets")
    assert env.secret("SOME_KEY", tmp_path / "secrets") == first
    assert len(first) >= 64
    assert (tmp_path / "secrets" / "some_key").stat().st_mode & 0o077 == 0


def test_a_secret_file_wins_over_generation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("from a file\n")
    monkeypatch.setenv("SOME_KEY_FILE", str(tmp_path / "key"))
    assert env.secret("SOME_KEY", tmp_path) == "from a file"


def test_a_missing_secret_names_the_variable_to_set() -> None:
    with pytest.raises(env.SettingWrong, match="SOME_KEY_FILE"):
        env.secret("SOME_KEY")


@pytest.mark.parametrize("wrong", ["maybe", "2", "-"])
def test_a_flag_that_is_neither_yes_nor_no_is_refused(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_FLAG", wrong)
    with pytest.raises(env.SettingWrong, match="yes or no"):
        env.flag("SOME_FLAG", False)


@pytest.mark.parametrize("wrong", ["x", "0", "70000", "1.5"])
def test_a_number_outside_its_bounds_is_refused(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_PORT", wrong)
    with pytest.raises(env.SettingWrong, match="whole number from 1 to 65535"):
        env.integer("SOME_PORT", 8000, 1, 65535)


def _manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG"}}
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(command, env=kept | environment, capture_output=True, text=True, timeout=120, check=False)


def _production(tmp_path: Path) -> dict[str, str]:
    return {
        "MEDTWIN_HOME": str(tmp_path),
        "DATABASE_URL": "postgresql://medtwin:x@db.example/medtwin",
        "REDIS_URL": "redis://redis.example:6379/0",
        "ALLOWED_HOSTS": "medtwin.example",
        **dict.fromkeys(("FIELD_KEY", "ARCHIVE_KEY", "LOG_KEY"), "k" * 60),
        "SECRET_KEY": "Zq8-" * 20 + "abcdefghij",
    }


def test_the_deployment_check_is_clean_in_production(tmp_path: Path) -> None:
    done = _manage("check", "--deploy", "--fail-level", "WARNING", **_production(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


@pytest.mark.parametrize("missing", ["REDIS_URL", "SECRET_KEY", "FIELD_KEY", "ARCHIVE_KEY", "LOG_KEY"])
def test_production_refuses_to_start_without_what_it_needs(missing: str, tmp_path: Path) -> None:
    environment = {key: value for key, value in _production(tmp_path).items() if key != missing}
    done = _manage("check", **environment)
    assert done.returncode == 1
    assert missing in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "MQTT_URL", "TELEMETRY_URL"])
def test_a_url_with_a_password_can_come_from_a_file(name: str, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv(name, raising=False)
    assert env.address(name, "none") == "none"
    (tmp_path / "url").write_text("scheme://user:password@host/0\n")
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "url"))
    assert env.address(name) == "scheme://user:password@host/0"
