"""Whole files or none: write beside, flush, rename. A full disk gets its name."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from imaging.errors import StorageFull

RESERVE_BYTES = 256 << 20  # kept free for the database, which must never be the one that finds the disk full


def write_whole(path: Path, parts: Iterable[bytes]) -> None:
    """Write the joined `parts` so that `path` is never seen half written; raise StorageFull on a full disk."""
    with naming_full_disk():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix=".draft-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                for part in parts:
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise


def require_space(folder: Path, wanted_bytes: int) -> None:
    """Raise StorageFull unless `folder`'s disk can take `wanted_bytes` and keep its reserve."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < wanted_bytes + RESERVE_BYTES:
        raise StorageFull


@contextmanager
def naming_full_disk() -> Iterator[None]:
    """Turn a full disk or quota into StorageFull."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull from error
        raise
