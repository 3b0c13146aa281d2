"""The moment at which these tests stand still."""

from __future__ import annotations

from datetime import UTC, datetime

NOON = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)  # 14:00 in Berlin
