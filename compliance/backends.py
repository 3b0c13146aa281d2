"""The policy as an ordinary Django auth backend: views ask `user.has_perm("imaging.view_study", study)`."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import AnonymousUser

from compliance.models import User
from compliance.policy import Governed
from compliance.selectors import decision_on


class PolicyBackend(BaseBackend):
    """Authenticates nobody; answers every permission question."""

    def has_perm(self, user_obj: object, perm: str, obj: object | None = None) -> bool:
        """Tell whether the user may do `perm` on `obj` now, or at all when `obj` is None.

        Without an object it is asked to draw a menu, and true where only a fresh second factor is missing; with one it
        is the same answer as that of a list. `compliance.views.access.require` asks for the factor.
        """
        user = cast("User | AnonymousUser", user_obj)
        if obj is None:
            return decision_on(user, perm).allowed
        decision = decision_on(user, perm, cast(Governed, obj).policy_resource())
        return decision.allowed and not decision.confirm
