"""The few routes of allauth that are used. What is absent cannot be attacked: no sign-up, no e-mail, no reset."""

from __future__ import annotations

from allauth.account.views import account_inactive, login, logout
from allauth.mfa.webauthn.views import login_webauthn
from django.urls import URLPattern, path

from compliance.views.marks import public
from compliance.views.sign_in import second_factor

urlpatterns: list[URLPattern] = [
    path("login/", public(login), name="account_login"),
    path("logout/", public(logout), name="account_logout"),
    path("inactive/", public(account_inactive), name="account_inactive"),
    path("second-factor/", public(second_factor), name="mfa_authenticate"),
    path("passkey/", public(login_webauthn), name="mfa_login_webauthn"),
]
