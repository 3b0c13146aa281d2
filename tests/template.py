"""A migrated database for every process of a test run to start from: made once, since making it takes long.

A test process takes a copy as its test database, and so does every ward or worker that a test starts as a process.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VARIABLE = "MEDTWIN_TEST_RUN"  # names the folder of the whole run to the processes of pytest-xdist


def _run_folder() -> Path:
    if VARIABLE not in os.environ:
        os.environ[VARIABLE] = made = tempfile.mkdtemp(prefix=f"medtwin-run-{os.getpid()}-")
        atexit.register(_remove, Path(made), os.getpid())
    return Path(os.environ[VARIABLE])


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() != owner:
        return  # a fork of the process that made it
    if os.environ.get("DATABASE_URL"):
        drop_database(_template_name())
    shutil.rmtree(folder, ignore_errors=True)


RUN = _run_folder()
HOME = RUN / "home"  # with the secrets that the database's own keys are sealed with


def _server() -> tuple[str, str]:
    """Return the address of the database server and the name of the database that the run was given."""
    base, name = os.environ["DATABASE_URL"].rsplit("/", 1)
    return base, name


def _template_name() -> str:
    owner = RUN.name.split("-")[2]  # of two runs on one database, each keeps its own
    return f"test_{_server()[1]}_template_{owner}"


def drop_database(name: str) -> None:
    """Drop a database of PostgreSQL, whoever is connected to it."""
    _on_server(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _on_server(*statements: str) -> None:
    import psycopg

    with psycopg.connect(f"{_server()[0]}/postgres", autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def environment(home: Path) -> dict[str, str]:
    """Return this process's environment with another data folder, for a process that reads its own settings."""
    kept = {key: value for key, value in os.environ.items() if key not in {"DJANGO_SETTINGS_MODULE", "TELEMETRY_URL"}}
    return kept | {"MEDTWIN_HOME": str(home), "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "default"}


def make() -> None:
    """Migrate the template, once for all processes of the run: the others wait until it is there."""
    done = RUN / "made"
    with (RUN / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists():
            return
        HOME.mkdir(mode=0o700, exist_ok=True)
        own = environment(HOME)
        if own.get("DATABASE_URL"):
            drop_database(_template_name())
            _on_server(f"CREATE DATABASE {_template_name()}")
            own["DATABASE_URL"] = f"{_server()[0]}/{_template_name()}"
        command = [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity", "0", "--skip-checks"]
        made = subprocess.run(command, env=own, cwd=ROOT, capture_output=True, text=True, check=False)
        if made.returncode:
            raise RuntimeError(f"the database cannot be migrated:\n{made.stdout}{made.stderr}")
        done.touch()


def make_in_the_background() -> subprocess.Popen[bytes]:
    """Begin to make the template while the workers of pytest-xdist are still starting."""
    return subprocess.Popen([sys.executable, "-c", "from tests import template; template.make()"], cwd=ROOT)


def copy_to_file(path: Path) -> None:
    """Put a migrated SQLite database there."""
    make()
    shutil.copyfile(HOME / "medtwin.sqlite3", path)


def copy_to_server(name: str) -> str:
    """Make a migrated database of this name in PostgreSQL, in place of any that is there, and return its URL."""
    make()
    drop_database(name)
    _on_server(f"CREATE DATABASE {name} TEMPLATE {_template_name()}")
    return f"{_server()[0]}/{name}"


def share_secrets(home: Path) -> None:
    """Let a data folder hold the secrets of the run: a copy of the template opens with no others."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (HOME / "secrets").mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (home / "secrets").exists():
        (home / "secrets").symlink_to(HOME / "secrets")
