"""Put down versions of the policy and choose the one that decides."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.db import transaction

from compliance.errors import PolicyLocksOut, PolicyNeedsAnother
from compliance.models import EventCategory, PolicyActivation, PolicyVersion, User
from compliance.policy import Policy, Role, house_policy, read_policy
from compliance.selectors.policy import active_policy
from compliance.services.events import record_event
from compliance.services.rights import rights_changed_for_all

MANAGE = "compliance.manage_policy"


def put_down(*, text: str, note: str, by: User | None, now: datetime) -> PolicyVersion:
    """Keep a version; it decides nothing yet. Raises PolicyInvalid."""
    text = text.replace("\r\n", "\n")  # as a browser sends it; the hash is over what is kept
    read_policy(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return PolicyVersion.objects.create(text=text, sha256=digest, note=note[:200], made_by=by, made_at=now)


@transaction.atomic
def activate(*, version: PolicyVersion | None, by: User | None, now: datetime) -> None:
    """Let `version` decide from now on; None is the policy that comes with the house.

    Raises PolicyLocksOut when nobody of the role of `by` could change it again, PolicyNeedsAnother when the policy that
    decides now wants two people, and PolicyInvalid.
    """
    policy = house_policy() if version is None else read_policy(version.text)
    _refuse_lock_out(policy, by)
    _want_another(version, by)
    list(PolicyVersion.objects.select_for_update().filter(active=True))  # two at once: one after the other
    PolicyVersion.objects.filter(active=True).update(active=False)
    if version is not None:
        PolicyVersion.objects.filter(pk=version.pk).update(active=True)
    PolicyActivation.objects.create(version=version, by=by, at=now)
    record_event(
        category=EventCategory.SECURITY,
        code="policy_activated",
        message="Another version of the policy decides from now on.",
        user=by,
        detail={
            "version": version.pk if version else 0,
            "sha256": policy.sha256,
            "made_by": version.made_by_id or 0 if version else 0,
        },
    )
    rights_changed_for_all()


def _want_another(version: PolicyVersion | None, by: User | None) -> None:
    """Raise PolicyNeedsAnother where the policy wants two people and `by` is alone; a command is the way out.

    The house's own policy has no author here: going back to it alone would be the way around.
    """
    alone = by is not None and (version is None or version.made_by_id == by.pk)
    if alone and active_policy().four_eyes:
        raise PolicyNeedsAnother


def _refuse_lock_out(policy: Policy, by: User | None) -> None:
    role = Role.ADMINISTRATOR if by is None else Role(by.role)
    if policy.reach(role, MANAGE) is None:
        raise PolicyLocksOut
