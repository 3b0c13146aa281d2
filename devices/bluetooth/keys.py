"""Bonds on disk: a JSON file that only its owner can read, written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from bumble.keys import JsonKeyStore


class PrivateKeyStore(JsonKeyStore):
    """bumble's key store with private permissions. namespace: the address of the side whose bonds these are."""

    def __init__(self, namespace: str, path: Path) -> None:
        super().__init__(namespace, str(path))

    async def save(self, db: dict[str, dict[str, dict[str, Any]]]) -> None:
        """Write the file. A long-term key opens everything that its device says, so nobody else may read it."""
        draft = self.filename.with_name(self.filename.name + ".new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(db, file, sort_keys=True, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.filename)
