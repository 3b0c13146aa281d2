"""`python -m tests.vulnerable PORT`: the lab's receiver on loopback, for `python -m benchmarks.security` alone.

Stock Daphne, without the house's bounds on connections. It serves no home but one that was made to be attacked.
"""

from __future__ import annotations

import sys

import pytest  # noqa: F401  the lab opens for whoever tests, and this measures beside the tests


def main(port: int) -> None:
    """Serve until stopped."""
    from daphne.cli import CommandLineInterface

    endpoint = f"tcp:port={port}:interface=127.0.0.1:backlog=2048"
    CommandLineInterface().run(["-v", "0", "-e", endpoint, "tests.lab.receiver:application"])


if __name__ == "__main__":
    main(int(sys.argv[1]))
