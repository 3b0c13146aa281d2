"""The pages of the house: what is used all day in the open, the rest in a few drawers by what it is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """A page. current: whether it, or something below it, is the one that is open."""

    name: str
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class Drawer:
    """Pages under one name. key: what the page calls the drawer."""

    name: str
    links: tuple[Link, ...]

    @property
    def key(self) -> str:
        """The drawer's id on the page."""
        return f"pages-{self.name.lower()}"

    @property
    def current(self) -> bool:
        """Whether the open page lies in it."""
        return any(link.current for link in self.links)


Page = tuple[str, str, str]
PAGES: tuple[tuple[str, tuple[Page, ...]], ...] = (
    (
        "",
        (
            ("Your record", "/me/", "compliance.view_own_record"),
            ("Ward", "/", "compliance.view_patient"),
            ("Alerts", "/alerts/", "twin.view_alert"),
            ("Imaging", "/imaging/", "imaging.view_study"),
            ("Devices", "/devices/", "devices.view_device"),
            ("Emergency", "/emergency/", "compliance.break_glass"),
        ),
    ),
    (
        "Analysis",
        (
            ("Adherence", "/analytics/adherence/", "compliance.view_adherence"),
            ("Energy", "/analytics/energy/", "twin.view_analytics"),
            ("Security", "/analytics/security/", "twin.view_analytics"),
        ),
    ),
    (
        "Records",
        (
            ("Log", "/log/", "compliance.view_log"),
            ("Rules", "/rules/", "compliance.view_report"),
            ("Reports", "/reports/", "compliance.view_report"),
            ("Exports", "/exports/", "compliance.export_bulk"),
        ),
    ),
    (
        "House",
        (
            ("People", "/people/", "compliance.manage_people"),
            ("Policy", "/policy/", "compliance.simulate_policy"),
            ("Privacy", "/privacy/", "compliance.manage_privacy"),
            ("HL7", "/hl7/", "devices.configure_hl7"),
            ("Subscriptions", "/subscriptions/", "compliance.manage_clients"),
        ),
    ),
)


def navigation(may: Callable[[str], bool], path: str) -> list[Link | Drawer]:
    """Return what a person with these rights may open, seen from the page at `path`; a drawer of one is no drawer."""
    found: list[Link | Drawer] = []
    for name, pages in PAGES:
        links = tuple(Link(title, url, _leads_to(url, path)) for title, url, right in pages if may(right))
        found += [Drawer(name, links)] if name and len(links) > 1 else links
    return found


def _leads_to(url: str, path: str) -> bool:
    if url == "/":
        return path == "/" or path.startswith("/patients/")
    return path.startswith(url)
