"""What commands share: finding a ward by its name."""

from __future__ import annotations

from django.core.management.base import CommandError

from compliance.models import Ward


def ward_named(name: str) -> Ward:
    """Return the ward. Raises CommandError, which names those that are there."""
    found = Ward.objects.filter(name=name).first()
    if found is None:
        there = ", ".join(f"'{known}'" for known in Ward.objects.order_by("name").values_list("name", flat=True))
        raise CommandError(f"There is no ward '{name}': it is one of {there or 'none'}. `manage.py add_ward` adds one.")
    return found
