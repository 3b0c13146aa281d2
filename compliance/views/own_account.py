"""A person's own account: what proves that it is they, the password, and where they are signed in."""

from __future__ import annotations

from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from compliance.errors import PasswordNeeded, SecondFactorNeeded
from compliance.forms import PasswordForm
from compliance.models import User
from compliance.services.factors import factors_of
from compliance.services.passwords import change_password
from compliance.services.recovery_codes import codes_left
from compliance.services.second_factor import PASSWORD, proved_lately
from compliance.services.sessions import live_sessions, touch_session
from compliance.views.access import is_away, sign_in_of, signed_in
from compliance.views.marks import open_while_away, open_while_enrolling
from compliance.views.step_up import require_fresh, safe_path


@require_GET
def account(request: HttpRequest) -> HttpResponse:
    """Show everything that lets this person in."""
    user = signed_in(request)
    factors = list(factors_of(user))
    context = {
        "apps": [factor for factor in factors if factor.type == Authenticator.Type.TOTP],
        "passkeys": [factor for factor in factors if factor.type == Authenticator.Type.WEBAUTHN],
        "codes_left": codes_left(user),
        "sessions": live_sessions(user),
        "this_session": sign_in_of(request),
        "may_make_tokens": user.has_perm("compliance.manage_tokens"),
    }
    return render(request, "compliance/account.html", context)


@require_http_methods(["GET", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Change the password; every other session of this person ends."""
    user = signed_in(request)
    require_own_proof(request, user)
    form = PasswordForm(request.POST or None, user=user)
    if request.method == "POST" and form.is_valid():
        change_password(request, user=user, password=form.cleaned_data["new"])
        messages.success(request, "The password is changed. Everywhere else you are signed out.")
        return HttpResponseRedirect(reverse("compliance:account"))
    return render(request, "compliance/password.html", {"form": form}, status=400 if form.errors else 200)


@open_while_away
@open_while_enrolling
@require_http_methods(["GET", "POST"])
def password_again(request: HttpRequest) -> HttpResponse:
    """Ask for the password of somebody who has no second factor: after they were away, or to change their account."""
    user = signed_in(request)
    if factors_of(user).exists():
        raise SecondFactorNeeded  # the password alone would be the weaker way back in
    back = safe_path(request, request.POST.get("next") or request.GET.get("next") or "/")
    wrong = False
    if request.method == "POST":
        # Through the backends, so that django-axes counts what is wrong here as it does at the front door.
        wrong = authenticate(request, username=user.username, password=request.POST.get("password", "")) != user
        if not wrong:
            record_authentication(request, user, PASSWORD)
            touch_session(sign_in_of(request), sure=True)
            return HttpResponseRedirect(back)
    context = {"next": back, "wrong": wrong, "away": is_away(request)}
    return render(request, "compliance/password_again.html", context, status=400 if wrong else 200)


def require_own_proof(request: HttpRequest, user: User) -> None:
    """Raise unless it is surely the person who changes their own account.

    That is a fresh second factor, or, for whoever has none yet, the password within the last five minutes.
    """
    if factors_of(user).exists():
        require_fresh(request)
    elif not proved_lately(request, PASSWORD):
        raise PasswordNeeded
