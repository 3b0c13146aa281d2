"""The whole ward that browser tests share: started when the first asks for it, stopped after the last."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.patience import PATIENCE_S
from tests.ports import claim_port
from twin.launcher import die_with_parent

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class RunningWard:
    """A ward that runs: where it answers, how to sign in, and its launcher."""

    url: str
    password: str
    home: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[str]
    cookies: dict[str, dict[str, Any]] = field(default_factory=dict)  # the sessions of its people, by role

    def stop(self) -> None:
        """Stop it by the signal that Ctrl-C sends."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


def start_ward(home: Path, environment: Mapping[str, str], patients: int) -> RunningWard:
    """Start `manage.py demo` and return once it has printed how to sign in."""
    port = claim_port()
    command = [sys.executable, str(ROOT / "manage.py"), "demo", "--port", str(port), "--patients", str(patients)]
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=die_with_parent,  # a test run that is killed must not leave a ward behind
    )
    assert process.stdout
    printed, password = [], ""
    for line in process.stdout:
        printed.append(line)
        if found := re.search(r"the password\s+(\S+)", line):
            password = found.group(1)
        if "Ctrl-C" in line:
            break
    ward = RunningWard(f"http://127.0.0.1:{port}", password, home, environment, process)
    if not password:
        ward.stop()
        raise RuntimeError("the ward did not start:\n" + "".join(printed))
    return ward
