"""Images at rest: every file encrypted under a key of its study, which lies in the database wrapped by the archive's
key.

A file is `salt:16 || sealed pieces`; its own key is HKDF-SHA256 of the study's key, the salt and the file's name, so
that a file written again never meets its old nonces, and a file moved elsewhere does not open.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from compliance.errors import SecretUnreadable
from compliance.keyring import archive_box
from compliance.secretbox import SecretBox
from imaging.errors import ArchiveDamaged, ChunkMissing, StudyAltered
from imaging.models import Study
from imaging.sealing.chunks import CHUNK_BYTES, KEY_BYTES, TAG_BYTES, open_chunks, seal_chunks
from imaging.services.files import write_whole

SALT_BYTES = 16


def new_study_key() -> bytes:
    """Return a fresh study key as it is stored: wrapped by the archive's key."""
    return _box().seal(os.urandom(KEY_BYTES))


def folder_of(study: Study) -> Path:
    """Return where the study's files lie."""
    return settings.IMAGING_DIR / "archive" / str(study.pk)


def store(study: Study, name: str, data: bytes) -> None:
    """Encrypt `data` and write it whole; raises StorageFull."""
    salt = os.urandom(SALT_BYTES)
    sealed = seal_chunks(_file_key(study, name, salt), name.encode(), [data])
    write_whole(folder_of(study) / name, _with_salt(salt, sealed))


def load(study: Study, name: str) -> bytes:
    """Return the file's plaintext; raise ArchiveDamaged when it is gone, was changed, or the key is another one."""
    try:
        raw = (folder_of(study) / name).read_bytes()
        salt, body = raw[:SALT_BYTES], raw[SALT_BYTES:]
        size = CHUNK_BYTES + TAG_BYTES
        sealed = [body[start : start + size] for start in range(0, len(body), size)]
        return b"".join(open_chunks(_file_key(study, name, salt), name.encode(), sealed, max(len(sealed), 1)))
    except (FileNotFoundError, StudyAltered, ChunkMissing, SecretUnreadable) as error:
        raise ArchiveDamaged from error


def has(study: Study, name: str) -> bool:
    """Tell whether the archive holds this file."""
    return (folder_of(study) / name).exists()


def store_pixels(study: Study, name: str, raw: bytes) -> None:
    """Store 16-bit little-endian pixels, deflated (zlib format) as they are sent to browsers."""
    store(study, f"{name}.px", zlib.compress(raw, 6))


def load_pixels(study: Study, name: str) -> bytes:
    """Return the deflated pixels."""
    return load(study, f"{name}.px")


def forget(study: Study) -> None:
    """Delete every file of the study."""
    shutil.rmtree(folder_of(study), ignore_errors=True)


def _with_salt(salt: bytes, sealed: Iterator[bytes]) -> Iterator[bytes]:
    yield salt
    yield from sealed


def _file_key(study: Study, name: str, salt: bytes) -> bytes:
    study_key = _box().open(bytes(study.archive_key))
    return HKDF(SHA256(), KEY_BYTES, salt=salt, info=b"medtwin/archive-file/1/" + name.encode()).derive(study_key)


def _box() -> SecretBox:
    return archive_box()
