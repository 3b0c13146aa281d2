"""Typed reading of the environment. A wrong value stops the start with a sentence that says how to mend it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class SettingWrong(SystemExit):
    """A setting is missing or wrong; the message is the one sentence shown."""


def text(name: str, default: str = "") -> str:
    """Return the variable, or `default`."""
    return os.environ.get(name, default)


def flag(name: str, default: bool) -> bool:
    """Return a yes/no variable."""
    raw = os.environ.get(name, "").strip().lower()
    if not raw:
        return default
    if raw in {"1", "true", "yes", "on"}:
        return True
    if raw in {"0", "false", "no", "off"}:
        return False
    raise SettingWrong(f"{name} is '{raw}': set it to yes or no.")


def integer(name: str, default: int, low: int, high: int) -> int:
    """Return a whole number between `low` and `high`."""
    raw = os.environ.get(name, "").strip()
    if not raw:
        return default
    if not raw.lstrip("-").isdigit() or not low <= int(raw) <= high:
        raise SettingWrong(f"{name} is '{raw}': set it to a whole number from {low} to {high}.")
    return int(raw)


def zone(name: str, default: str = "UTC") -> ZoneInfo:
    """Return a time zone of the IANA database."""
    raw = text(name, default).strip()
    try:
        return ZoneInfo(raw)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingWrong(f"{name} is '{raw}': name a time zone, as in Europe/Berlin.") from error


def words(name: str, default: str = "") -> list[str]:
    """Return a comma-separated variable as a list."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def address(name: str, default: str = "") -> str:
    """Return a variable that may hold a password from `NAME`, or from the file that `NAME_FILE` names."""
    if value := os.environ.get(name):
        return value
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise SettingWrong(f"{name}_FILE names '{path}', which cannot be read: {error.strerror}.") from error
    return default


def secret(name: str, generate_into: Path | None = None) -> str:
    """Return a secret from `NAME`, or from the file that `NAME_FILE` names, or a generated one.

    `generate_into` is the folder where embedded mode keeps secrets it made itself; None (production) makes absence
    fatal.
    """
    if value := address(name):
        return value
    if generate_into is None:
        raise SettingWrong(f"{name} is not set: put it in a file and name the file in {name}_FILE.")
    return _generated(generate_into / name.lower())


def _generated(path: Path) -> str:
    """Read the secret at `path`, making it first if need be; safe when several processes start at once."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(secrets.token_urlsafe(48))
        draft.chmod(0o600)
        try:
            os.link(draft, path)  # fails when another process was first: then its secret counts
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise SettingWrong(
            f"Cannot write the demo secrets to {path.parent}: {error.strerror}. "
            "Free some space or set MEDTWIN_HOME to a folder you may write to."
        ) from error
