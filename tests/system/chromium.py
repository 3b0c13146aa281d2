"""Chromium as tests drive it: patient, and able to tell what its pages showed when a test failed."""

from __future__ import annotations

import shutil
from typing import Any

from playwright.sync_api import Error

from tests.patience import PATIENCE_S

EXECUTABLE = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]
PATIENCE_MS = 1000 * PATIENCE_S
MOST_SHOWN_CHARS = 3000


class Chromium:
    """A headless Chromium. What it is asked to wait for is given a minute, unless a test says more."""

    def __init__(self, playwright: Any) -> None:
        self.browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=FLAGS, timeout=2 * PATIENCE_MS)

    def new_context(self, **options: Any) -> Any:
        """Return a new person's window, without cookies unless `storage_state` brings them."""
        context = self.browser.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        return context

    def described(self) -> str:
        """Return where every open page is and what it shows."""
        return "\n\n".join(_described(page) for context in self.browser.contexts for page in context.pages)


def _described(page: Any) -> str:
    try:
        shown = page.locator("body").inner_text(timeout=5000)
        return f"{page.url}\n{page.title()}\n{shown[:MOST_SHOWN_CHARS]}"
    except Error as error:
        return f"{page.url}\n(the page does not answer: {error.message})"
