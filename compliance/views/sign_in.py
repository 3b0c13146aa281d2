"""The second half of signing in: allauth's page for the second factor, with what our template shows."""

from __future__ import annotations

import json
from typing import Any

from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.models import Authenticator

from compliance.services.demo_factors import demo_code
from compliance.services.factors import factors_of
from compliance.views.step_up import problems_of


class SecondFactorView(AuthenticateView):  # type: ignore[misc]
    """Asks for a passkey or a code after the password."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the passkey's options, where the person has one, and the demonstration's code."""
        context: dict[str, Any] = super().get_context_data(**kwargs)
        user = self.stage.login.user
        kinds = set(factors_of(user).values_list("type", flat=True))
        options = context["js_data"]["request_options"]
        return context | {
            "problem": problems_of(self.form) if self.form else "",
            "typed": True,
            "passkey": json.dumps(options) if Authenticator.Type.WEBAUTHN in kinds else "",
            "demo_code": demo_code(user),
        }


second_factor = SecondFactorView.as_view()
