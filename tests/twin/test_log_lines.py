"""What a stranger puts into a log stays inside one line of it."""

from __future__ import annotations

import logging
import sys

from hypothesis import given
from hypothesis import strategies as st

from twin.log_lines import TRACEBACK_MARK, OneLine

FORMATTER = OneLine("%(levelname)s %(name)s %(message)s")


def record(message: str, *args: object, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, None) if error else None
    return logging.LogRecord("house", logging.WARNING, "", 1, message, args, info)


@given(st.text())
def test_a_record_is_one_line_whatever_it_says(said: str) -> None:
    line = FORMATTER.format(record("refused %s", said))
    assert len(line.splitlines()) == 1
    assert not any(ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 for letter in line)


def test_a_forged_record_is_seen_for_what_it_is() -> None:
    line = FORMATTER.format(record("refused %s", "x\nINFO house signed in: admin\x1b[2K"))
    assert line == "WARNING house refused x\\x0aINFO house signed in: admin\\x1b[2K"


def test_what_an_error_says_cannot_begin_a_record_either() -> None:
    try:
        raise ValueError("bad\nINFO house all is well")
    except ValueError:
        made = logging.LogRecord("house", logging.ERROR, "", 1, "failed", (), sys.exc_info())
    first, *rest = FORMATTER.format(made).splitlines()
    assert first == "ERROR house failed"
    assert rest
    assert all(line.startswith(TRACEBACK_MARK) for line in rest)


def test_letters_of_every_alphabet_stay() -> None:
    assert FORMATTER.format(record("Zoë 王 \U0001f9d1")).endswith("Zoë 王 \U0001f9d1")


def test_the_house_and_its_workers_log_in_this_form(settings) -> None:
    assert settings.LOGGING["formatters"]["line"]["()"] == "twin.log_lines.OneLine"
    assert settings.CELERY_WORKER_HIJACK_ROOT_LOGGER is False
