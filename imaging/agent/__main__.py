"""`python -m imaging.agent --config FILE.json [--once]`: watch the inbox, seal what is new, upload what is sealed."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from compliance.errors import DomainError
from devices.gateway.turn import LineTurn
from imaging.agent.config import AgentConfig, read_config, read_identity
from imaging.agent.http import HttpDoor
from imaging.agent.source import NOTE, read_note
from imaging.agent.spool import Identity, Spool
from imaging.agent.upload import NO_TURN, Door, GaveWay, deliver, nothing_urgent

SEALED = ".sealed"
LONGEST_WAIT_S = 60.0
log = logging.getLogger("imaging.agent")


def seal_new(config: AgentConfig, spool: Spool, identity: Identity, now_s: float) -> None:
    """Seal every settled study folder of the inbox that carries no mark yet; a folder that cannot be sealed is marked
    with the reason and left where it is."""
    for folder in sorted(path for path in config.inbox.iterdir() if path.is_dir()):
        mark = folder / SEALED
        if mark.exists() or now_s - _last_change_s(folder) < config.settle_s:
            continue
        try:
            spooled = spool.seal(folder, read_note(folder), identity)
            mark.write_text(f"{spooled.study}\n")
            log.info("sealed %s", spooled.study)
        except DomainError as error:
            mark.write_text(f"refused: {error.code}: {error.message}\n")
            log.warning("a folder cannot be sealed: %s", error.code)


def urgent_waits(config: AgentConfig, now_s: float) -> bool:
    """Tell whether an urgent study settled in the inbox that is not sealed yet."""
    for folder in config.inbox.iterdir():
        if not (folder / NOTE).is_file() or (folder / SEALED).exists():
            continue
        if now_s - _last_change_s(folder) < config.settle_s:
            continue
        with suppress(DomainError):  # a wrong note is named when the folder is sealed
            if read_note(folder).urgency != "routine":
                return True
    return False


def upload_waiting(
    spool: Spool, door: Door, turn: LineTurn = NO_TURN, overtaken: Callable[[], bool] = nothing_urgent
) -> bool:
    """Upload what waits; return False when the server could not take everything and it is worth trying again."""
    for spooled in spool.waiting():
        try:
            sent = deliver(spooled, door, turn, overtaken)
            spool.forget(spooled)
            log.info("delivered %s, %d pieces sent", spooled.study, sent)
        except GaveWay:
            log.info("%s gives way to an urgent study", spooled.study)
            return False
        except DomainError as error:
            if not error.permanent:
                log.warning("not taken yet: %s %s", spooled.study, error.code)
                return False
            spool.refuse(spooled, f"{error.code}: {error.message}")
            log.error("refused for good: %s %s", spooled.study, error.code)
        except OSError as error:
            log.warning("the server cannot be reached: %s", error.strerror or error)
            return False
    return True


def main() -> None:
    """Run until told to stop, or with `--once` until the inbox is empty."""
    parser = argparse.ArgumentParser(prog="python -m imaging.agent", description="Seal and upload studies.")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--once", action="store_true", help="stop when everything was delivered or refused")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        config = read_config(options.config)
        identity = read_identity(config)
    except (DomainError, OSError) as error:
        raise SystemExit(str(error)) from error
    spool = Spool(config.spool)
    spool.forget_drafts()
    turn = LineTurn(config.turn_file)
    with closing(HttpDoor(config.server, identity)) as door:
        wait_s = config.poll_s
        while True:
            seal_new(config, spool, identity, time.time())
            done = upload_waiting(spool, door, turn, lambda: urgent_waits(config, time.time()))
            if options.once and done:
                return
            wait_s = config.poll_s if done else min(wait_s * 2, LONGEST_WAIT_S)
            if not urgent_waits(config, time.time()):
                time.sleep(wait_s)


def _last_change_s(folder: Path) -> float:
    return max((path.stat().st_mtime for path in folder.rglob("*")), default=folder.stat().st_mtime)


if __name__ == "__main__":
    main()
