"""One record, one line: what a stranger put into a message can never look like a record of ours."""

from __future__ import annotations

import logging

# The C0 and C1 controls and the two separators that some readers of logs take for the end of a line.
CONTROLS = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]
ESCAPES = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in CONTROLS}
TRACEBACK_MARK = "  | "


class OneLine(logging.Formatter):
    """Escapes control characters, and sets every line of a traceback off by a mark."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        """Return the record's line."""
        return super().formatMessage(record).translate(ESCAPES)

    def formatException(self, ei: object) -> str:  # noqa: N802
        """Return the traceback, whose messages may hold line breaks of whoever caused it."""
        text = super().formatException(ei)  # type: ignore[arg-type]
        lines = (line.translate(ESCAPES) for line in text.split("\n"))
        return "\n".join(TRACEBACK_MARK + line for line in lines)
