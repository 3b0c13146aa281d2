"""Texts of many frames end to end, as the compiled backends take them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def flat(texts: Sequence[bytes]) -> NDArray[np.uint8]:
    """Return all texts end to end."""
    return np.frombuffer(b"".join(texts), np.uint8)


def ends(texts: Sequence[bytes]) -> NDArray[np.int64]:
    """Return where each text ends in `flat(texts)`."""
    return np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
