"""Names of links as people write them, and what is known of each."""

from __future__ import annotations

from collections.abc import Mapping

from django import template

from devices.energy.links import LINKS
from devices.selectors.hearing import Heard

register = template.Library()


@register.filter
def link_label(link: str) -> str:
    """Return "Wi-Fi" for `wifi`; a link that the energy model does not know keeps its own name."""
    return LINKS[link].label if link in LINKS else link


@register.filter
def heard_in(device_id: int, heard: Mapping[int, Heard]) -> Heard:
    """Return what is known of a device's link and firmware."""
    return heard.get(device_id, Heard())
