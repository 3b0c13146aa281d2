"""Tell everybody who shows or serves something that the rights of people changed. Every service that changes them
calls this inside its transaction."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils import timezone

from compliance.models import Patient, User
from compliance.policy.asking import forget
from compliance.selectors.policy import near
from compliance.signals import access_narrowed


def rights_changed(user_ids: Iterable[int]) -> None:
    """Let open pages of these people ask the policy again, and look nothing up from before the change."""
    forget()
    access_narrowed.send(sender=User, user_ids=list(user_ids))


def rights_changed_for_all() -> None:
    """The same for everyone: the policy itself changed."""
    rights_changed(User.objects.filter(is_active=True).values_list("pk", flat=True))


def rights_changed_around(patient: Patient) -> None:
    """The same for everyone who may reach this patient."""
    rights_changed(User.objects.filter(near([patient], timezone.now())).values_list("pk", flat=True))
