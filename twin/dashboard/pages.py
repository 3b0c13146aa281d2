"""The three Dash pages by name."""

from __future__ import annotations

from twin.dashboard import adherence, energy, security
from twin.dashboard.mount import HouseDash

PAGES: dict[str, HouseDash] = {entry.slug: entry for entry in (energy.page, security.page, adherence.page)}
