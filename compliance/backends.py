"""The policy as an ordinary Django auth backend: views ask `user.has_perm("imaging.view_study", study)`."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import AnonymousUser

from compliance.models import User
from compliance.policy import Governed, decide
from compliance.selectors import subject_of


class PolicyBackend(BaseBackend):
    """Authenticates nobody; answers every permission question."""

    def has_perm(self, user_obj: object, perm: str, obj: object | None = None) -> bool:
        """Tell whether the user may do `perm` on `obj`, or at all when `obj` is None."""
        subject = subject_of(cast("User | AnonymousUser", user_obj))
        resource = None if obj is None else cast(Governed, obj).policy_resource()
        return decide(subject, perm, resource).allowed
