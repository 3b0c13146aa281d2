"""Works on every destination, each in a thread of its own: one that hangs holds up no other."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

from django.db import DatabaseError, connection

from devices.models import HL7Destination
from devices.services.hl7_delivery import work_on

log = logging.getLogger(__name__)
LOOK_EVERY_S = 1.0
MOST_AT_ONCE = 32


def serve(stop: Event) -> None:
    """Collect and send until `stop` is set; then end after the answer that is being waited for."""
    running: dict[int, Future[None]] = {}
    with ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="hl7") as pool:
        while not stop.is_set():
            running = {pk: work for pk, work in running.items() if not work.done()}
            for pk in _enabled():
                if pk not in running:
                    running[pk] = pool.submit(_work, pk, stop)
            stop.wait(LOOK_EVERY_S)


def _enabled() -> list[int]:
    try:
        return list(HL7Destination.objects.filter(enabled=True).values_list("pk", flat=True))
    except DatabaseError as error:
        log.warning("the HL7 destinations could not be read: %s", type(error).__name__)
        return []


def _work(destination_id: int, stop: Event) -> None:
    try:
        work_on(destination_id, stop=stop.is_set)
    except DatabaseError as error:
        log.warning("HL7 destination %s waits for the database: %s", destination_id, type(error).__name__)
    except Exception:  # one destination's bug must not end the others
        log.exception("HL7 destination %s failed", destination_id)
    finally:
        connection.close()  # this thread's own
