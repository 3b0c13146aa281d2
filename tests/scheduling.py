"""Which worker of pytest-xdist runs what, and when: one ward for all browser tests, and the longest files first."""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadFileScheduling

BROWSER_FILES, ONE_WARD = "tests/system/test_browser", "tests/system with a browser"
FIRST = ("browser", "process")  # markers of what takes longest: begun last, it would be all that still runs


class OneWard(LoadFileScheduling):
    """Hands out whole files, as `--dist loadfile` does, and those that share a running ward to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return ONE_WARD if nodeid.startswith(BROWSER_FILES) else str(super()._split_scope(nodeid))


def longest_first(items: list[pytest.Item]) -> None:
    """Sort files, not the tests within them."""
    ranks: dict[str, int] = {}
    for item in items:
        rank = next((n for n, name in enumerate(FIRST) if item.get_closest_marker(name)), len(FIRST))
        ranks[item.location[0]] = min(rank, ranks.get(item.location[0], rank))
    items.sort(key=lambda item: ranks[item.location[0]])
