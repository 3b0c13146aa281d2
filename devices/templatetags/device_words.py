"""Names of links as people write them."""

from __future__ import annotations

from django import template

from devices.energy.links import LINKS

register = template.Library()


@register.filter
def link_label(link: str) -> str:
    """Return "Wi-Fi" for `wifi`; a link that the energy model does not know keeps its own name."""
    return LINKS[link].label if link in LINKS else link
