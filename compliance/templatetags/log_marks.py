"""The mark beside an event that leads to its proof. It asks nothing of the database: pages list many events."""

from __future__ import annotations

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()
MARK = (
    '<a class="proof-mark" href="{}" aria-label="Proof of this event" title="Proof of this event">'
    '<svg width="14" height="14" viewBox="0 0 14 14" fill="none" stroke="currentColor" '
    'stroke-width="1.5" aria-hidden="true">'
    '<path d="M7 3v3M7 6 3.5 10M7 6l3.5 4"/><circle cx="7" cy="2.5" r="1.5"/><circle cx="3" cy="11.5" r="1.5"/>'
    '<circle cx="11" cy="11.5" r="1.5"/></svg></a>'
)


@register.simple_tag(takes_context=True)
def proof_mark(context: template.Context, event_id: int | None) -> SafeString | str:
    """Return the mark of an event, nothing where there is no event or the reader may not look at the log.

    The page says once, as `may_see_log`, whether its reader may: the policy is not asked for every row.
    """
    if event_id is None or not context.get("may_see_log"):
        return ""
    return format_html(MARK, reverse("compliance:log_of_event", args=[event_id]))
