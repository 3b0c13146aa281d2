"""Short words on pages: random ids, tokens and moments hold every three digits sooner or later."""

from __future__ import annotations

import re


def stands(word: str, text: str) -> bool:
    """Tell whether a word or number stands by itself, not within a longer number, an id or a token."""
    return re.search(rf"(?<![\w.+/-]){re.escape(word)}(?![\w+/-])", text) is not None
