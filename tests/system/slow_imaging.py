"""The scanner's agent and the imaging worker, so slow that somebody can kill them in the middle.

`python -m tests.system.slow_imaging --config FILE --once` | `celery -A tests.system.slow_imaging worker`
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from celery.signals import worker_init

PAUSE_S = 0.5  # after each piece sent, and after each file kept


def _slowed(act: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(act)
    def slowly(*arguments: Any, **named: Any) -> Any:
        done = act(*arguments, **named)
        time.sleep(PAUSE_S)
        return done

    return slowly


def _slow_down_the_archive(**_: Any) -> None:
    from imaging.services import archive

    archive.store = _slowed(archive.store)


if __name__ == "__main__":
    from imaging.agent import http
    from imaging.agent.__main__ import main

    http.HttpDoor.put = _slowed(http.HttpDoor.put)  # type: ignore[method-assign]
    main()
else:
    from twin.celery import app as app

    worker_init.connect(_slow_down_the_archive, weak=False)
