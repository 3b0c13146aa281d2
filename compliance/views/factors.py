"""A person's own second factors: add an app or a passkey, name, remove, and recovery codes."""

from __future__ import annotations

import json
import time
from base64 import b64encode

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import generate_totp_secret
from allauth.mfa.utils import decrypt, encrypt
from allauth.mfa.webauthn.internal.auth import begin_registration
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from compliance.errors import SecondFactorWrong
from compliance.forms import NewPasskeyForm
from compliance.models import User
from compliance.services.factors import (
    MOST_NAME,
    add_app,
    add_passkey,
    factors_of,
    passkey_name,
    remove_factor,
    rename_passkey,
)
from compliance.services.recovery_codes import codes_left, make_codes
from compliance.services.second_factor import note_proof
from compliance.services.sessions import KEY, end_other_sessions
from compliance.views.access import signed_in
from compliance.views.marks import open_while_enrolling
from compliance.views.own_account import require_own_proof
from compliance.views.step_up import problems_of, step_up_required

NEW_APP = "new_app"  # in the session: the sealed seed that the page shows, until a code proves that the app has it


@open_while_enrolling
@require_GET
def enrol(request: HttpRequest) -> HttpResponse:
    """Lead staff without a second factor to their first; nothing else opens before."""
    user = signed_in(request)
    if factors_of(user).exists():
        return HttpResponseRedirect(reverse("compliance:account"))
    return render(request, "compliance/enrol.html")


@open_while_enrolling
@require_http_methods(["GET", "POST"])
def app(request: HttpRequest) -> HttpResponse:
    """Show the seed to an authenticator app (GET) and enrol it once it shows the right code (POST)."""
    user = signed_in(request)
    require_own_proof(request, user)
    if request.method == "GET" or NEW_APP not in request.session:
        request.session[NEW_APP] = encrypt(generate_totp_secret())
    secret = decrypt(request.session[NEW_APP])
    problem = ""
    if request.method == "POST":
        try:
            add_app(user=user, secret=secret, code=request.POST.get("code", ""), now=time.time())
        except SecondFactorWrong:
            problem = "That code is not the one the app should show now. Check the phone's clock and try the next."
        else:
            del request.session[NEW_APP]
            return _enrolled(request, user, Authenticator.Type.TOTP, "The app is set up.")
    adapter = get_adapter()
    picture = adapter.build_totp_svg(adapter.build_totp_url(user, secret))
    context = {
        "picture": f"data:image/svg+xml;base64,{b64encode(picture.encode()).decode()}",
        "secret": " ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
        "replaces": factors_of(user).filter(type=Authenticator.Type.TOTP).exists(),
        "problem": problem,
    }
    return render(request, "compliance/add_app.html", context, status=400 if problem else 200)


@open_while_enrolling
@require_http_methods(["GET", "POST"])
def passkey(request: HttpRequest) -> HttpResponse:
    """Ask the browser for a passkey (GET) and keep what it made (POST)."""
    user = signed_in(request)
    require_own_proof(request, user)
    form = NewPasskeyForm(request.POST, user=user) if request.method == "POST" else None
    if form is not None and form.is_valid():
        add_passkey(user=user, name=form.cleaned_data["name"], credential=form.cleaned_data["credential"])
        return _enrolled(request, user, Authenticator.Type.WEBAUTHN, "The passkey is set up.")
    context = {
        "options": json.dumps(begin_registration(user, passwordless=True)),
        "name": passkey_name(user, ""),
        "longest": MOST_NAME,
        "problem": problems_of(form) if form else "",
    }
    return render(request, "compliance/add_passkey.html", context, status=400 if form else 200)


def _enrolled(request: HttpRequest, user: User, kind: str, said: str) -> HttpResponse:
    """Count the new factor as proved, and show recovery codes with the first."""
    note_proof(request, user, kind)
    if factors_of(user).count() == 1:  # whoever held the password before must not walk through beside the first factor
        end_other_sessions(user, keep=request.session.get(KEY), why="first second factor")
    if codes_left(user):
        messages.success(request, said)
        return HttpResponseRedirect(reverse("compliance:account"))
    return _show_codes(request, user, said)


@step_up_required
@require_POST
def remove(request: HttpRequest, factor_id: int) -> HttpResponse:
    """Remove an app or a passkey."""
    remove_factor(user=signed_in(request), factor_id=factor_id)
    messages.success(request, "Removed.")
    return HttpResponseRedirect(reverse("compliance:account"))


@step_up_required
@require_POST
def rename(request: HttpRequest, factor_id: int) -> HttpResponse:
    """Give a passkey another name."""
    rename_passkey(user=signed_in(request), factor_id=factor_id, name=request.POST.get("name", ""))
    return HttpResponseRedirect(reverse("compliance:account"))


@step_up_required
@require_POST
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """Make a new set of recovery codes and show it, once."""
    return _show_codes(request, signed_in(request), "")


def _show_codes(request: HttpRequest, user: User, said: str) -> HttpResponse:
    context = {"codes": make_codes(user=user), "said": said, "account": user.username}
    return render(request, "compliance/recovery_codes.html", context)
