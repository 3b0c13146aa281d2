"""Where the page is served, and who may press its buttons."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import msgspec

from compliance.errors import DomainError

LEAST_DIGITS = 6


class PageRefused(DomainError):
    """The status page cannot be served as configured; the sentence says what to mend."""

    code = "gateway_page_refused"


class PageConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """port: none is no page, 0 any that is free.

    pin_file: digits that the buttons ask for; needed on every address but the computer's own.

    names: by which names, beside the address, browsers may call the page.
    """

    port: int | None = None
    address: str = "127.0.0.1"
    pin_file: str = ""
    names: tuple[str, ...] = ()

    @property
    def local(self) -> bool:
        """Tell whether only programs on this computer reach it."""
        return ipaddress.ip_address(self.address).is_loopback

    def pin(self, folder: Path) -> str:
        """Return the PIN, empty when none is asked for. Raises PageRefused."""
        if not self.pin_file:
            return ""
        try:
            pin = (folder / self.pin_file).read_text().strip()
        except OSError as error:
            raise PageRefused(f"cannot read {self.pin_file}: {error.strerror}") from error
        if not pin.isdigit() or len(pin) < LEAST_DIGITS:
            raise PageRefused(f"{self.pin_file} must hold at least {LEAST_DIGITS} digits and nothing else")
        return pin

    def check(self) -> None:
        """Raise PageRefused when a stranger on the network could press buttons, or the address is none."""
        try:
            local = self.local
        except ValueError as error:
            raise PageRefused(f"page.address {self.address} is no IP address") from error
        if self.port is None:
            return
        if not 0 <= self.port < 1 << 16:
            raise PageRefused(f"page.port {self.port} is no port")
        if not local and not self.pin_file:
            raise PageRefused("a page that others on the network reach needs page.pin_file")
