"""Processes to kill that cost no start of an interpreter: forks of one in which Django stands and nothing was done yet.

A module of commands ends with `serve({"prepare": prepare, ...})`; a test starts it as a `Forks` and calls a command by
name. Each call is a process of its own, with nothing of another call in its memory, and dies by kill -9 like any other.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
KILLED = -signal.SIGKILL


def serve(commands: Mapping[str, Callable[..., Any]]) -> None:
    """Set Django up, then fork a process for each line of standard input: a list of a command and its arguments.

    Told on standard output, one JSON object a line: the process's number, what the command says with `tell` and returns
    (an answer, unless None), and how the process ended.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "twin.settings")
    import django

    django.setup()
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            _say({"process": os.getpid()})  # by the child itself: an answer must not come before it
            os._exit(_obey(commands[name], arguments))
        _pid, status = os.waitpid(child, 0)
        _say({"ended": os.waitstatus_to_exitcode(status)})


def _obey(command: Callable[..., Any], arguments: list[Any]) -> int:
    try:
        answer = command(*arguments)
        if answer is not None:
            tell(answer)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def tell(answer: object) -> None:
    """Tell the test something from within a command."""
    _say({"answer": answer})


def _say(said: dict[str, object]) -> None:
    # In one write: two processes say something here, and their lines must not mix.
    os.write(1, f"{json.dumps(said)}\n".encode())


class Call:
    """One process that obeys a command."""

    def __init__(self, forks: Forks) -> None:
        self._forks = forks
        self.process = int(self._hear("process"))

    def _hear(self, wanted: str) -> Any:
        said = self._forks.hear()
        assert wanted in said, said
        return said[wanted]

    def answer(self) -> Any:
        """Wait for the next thing that the command tells."""
        return self._hear("answer")

    def kill(self) -> None:
        """kill -9, and wait until the process is gone."""
        os.kill(self.process, signal.SIGKILL)
        assert self.end() == KILLED

    def end(self) -> int:
        """Wait for the end and return the exit status, negative for a signal; what is told until then is dropped."""
        while "ended" not in (said := self._forks.hear()):
            pass
        return int(said["ended"])


class Forks:
    """The process that forks. module: one that ends with `serve`."""

    def __init__(self, module: str, environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module], cwd=ROOT, env=environment, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True,
            )  # fmt: skip

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Kill the process and whatever it forked."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def begin(self, command: str, *arguments: object) -> Call:
        """Start a process that obeys a command."""
        assert self._process.stdin
        self._process.stdin.write(f"{json.dumps([command, *arguments])}\n")
        self._process.stdin.flush()
        return Call(self)

    def ask(self, command: str, *arguments: object) -> Any:
        """Let a process obey a command to its end, and return its answer."""
        call = self.begin(command, *arguments)
        answer = call.answer()
        assert call.end() == 0, self._log.read_text()
        return answer

    def do(self, command: str, *arguments: object) -> None:
        """Let a process obey a command that answers nothing."""
        assert self.begin(command, *arguments).end() == 0, self._log.read_text()

    def hear(self) -> dict[str, Any]:
        """Return the next line."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, self._log.read_text()
        said: dict[str, Any] = json.loads(line)
        return said
