"""Starts the processes of an installation on one machine, restarts those that die, and stops every one of them."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG = 1
RESTART_AFTER_S = 1.0
RESTART_NEEDS_MB = 16
GIVE_UP_AFTER = 5  # restarts of one child within a minute


class LaunchRefused(SystemExit):
    """The start is not possible; the message is the one sentence shown."""


def die_with_parent() -> None:
    """Ask Linux to end this child when the launcher dies, even by kill -9."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(slots=True)
class Child:
    """One process to keep alive (or, when `once`, to run to its end)."""

    name: str
    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    once: bool = False
    process: subprocess.Popen[bytes] | None = None
    started: list[float] = field(default_factory=list)

    def start(self, log_folder: Path) -> None:
        """Start the process; its output goes to a log file of its own."""
        log_folder.mkdir(parents=True, exist_ok=True)
        with (log_folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C reaches the launcher alone, which then stops the rest in order
                preexec_fn=die_with_parent,
            )
        self.started.append(time.monotonic())

    def crashed_too_often(self, now: float) -> bool:
        """Tell whether restarting has become pointless."""
        return sum(now - at < 60 for at in self.started) > GIVE_UP_AFTER


class Launcher:
    """A small supervisor: order of start is order of the list, order of stop is the reverse."""

    def __init__(self, log_folder: Path, say: Callable[[str], None]) -> None:
        self._children: list[Child] = []
        self._log_folder = log_folder
        self._say = say
        self._stopping = self._waiting_for_room = False

    def add(self, child: Child) -> None:
        """Start `child` and look after it from now on."""
        child.start(self._log_folder)
        self._children.append(child)

    def watch(self) -> None:
        """Restart what dies until SIGINT or SIGTERM arrives.

        Raises LaunchRefused when a child keeps dying.
        """
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        while not self._stopping:
            time.sleep(0.2)
            for child in self._children:
                self._revive(child)

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _revive(self, child: Child) -> None:
        if child.process is None or child.process.poll() is None or self._stopping:
            return
        if child.once:
            if child.process.returncode:
                self._say(f"{child.name} ended with an error: see {self._log_folder / child.name}.log")
            child.process = None
            return
        if self._disk_is_full():
            return
        now = time.monotonic()
        if child.crashed_too_often(now):
            raise LaunchRefused(f"{child.name} keeps stopping: see {self._log_folder / child.name}.log.")
        if now - child.started[-1] < RESTART_AFTER_S:
            return
        self._say(f"{child.name} stopped (exit {child.process.returncode}); starting it again.")
        _signal_group(child.process.pid, signal.SIGKILL)  # what it started must not outlive it beside its successor
        child.start(self._log_folder)

    def _disk_is_full(self) -> bool:
        """Tell whether nothing should be started now. What died of a full disk comes back when there is room again."""
        full = free_mb(self._log_folder) < RESTART_NEEDS_MB
        if full and not self._waiting_for_room:
            self._say("The disk is full: what stopped is started again when there is room.")
            for child in self._children:
                del child.started[:-1]  # these deaths say nothing about the child
        self._waiting_for_room = full
        return full

    def stop(self, patience_s: float = 10.0) -> None:
        """Stop every child and what it started: SIGTERM in reverse order, SIGKILL for those that do not listen."""
        alive = [child.process for child in reversed(self._children) if child.process and child.process.poll() is None]
        for process in alive:
            _signal_group(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + patience_s
        for process in alive:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal_group(process.pid, signal.SIGKILL)
                process.wait()
        for process in alive:  # grandchildren share the session of their parent
            _signal_group(process.pid, signal.SIGKILL)


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def require_free_port(host: str, port: int) -> None:
    """Raise LaunchRefused when something already listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise LaunchRefused(
                f"Port {port} is taken: stop what uses it, or choose another with `make demo PORT={port + 1}`."
            ) from error


def free_mb(folder: Path) -> int:
    """Return how much may still be written there, in megabytes. Raises OSError."""
    stat = os.statvfs(folder)
    return stat.f_bavail * stat.f_frsize // 1_000_000


def require_disk(folder: Path, needed_mb: int) -> None:
    """Raise LaunchRefused when the folder cannot be made or its disk has too little room."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = free_mb(folder)
    except OSError as error:
        raise LaunchRefused(f"Cannot use {folder}: {error.strerror}. Set MEDTWIN_HOME to a folder you own.") from error
    if free < needed_mb:
        raise LaunchRefused(f"The disk is nearly full: {folder} has {free} MB free and the ward needs {needed_mb} MB.")
