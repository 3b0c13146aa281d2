"""Step-up: what is dangerous wants a second factor of the last five minutes. Whoever has none is asked on a page of
its own, and comes back to where they were."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from urllib.parse import urlencode, urlsplit

from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal.auth import begin_authentication
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods

from compliance.errors import DomainError, PasswordNeeded, SecondFactorNeeded
from compliance.forms import SignInCodeForm, SignInPasskeyForm
from compliance.models import EventCategory
from compliance.services.demo_factors import demo_code
from compliance.services.events import record_event
from compliance.services.factors import factors_of
from compliance.services.recovery_codes import codes_left
from compliance.services.second_factor import is_fresh
from compliance.services.sessions import touch_session
from compliance.views.access import is_away, sign_in_of, signed_in
from compliance.views.marks import open_while_away

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def require_fresh(request: HttpRequest) -> None:
    """Raise SecondFactorNeeded, which leads to the question, unless the second factor is fresh.

    For views that name an object: called after the policy, so that a stranger to the object is refused and not asked.
    """
    if not is_fresh(request):
        raise SecondFactorNeeded


def step_up_required(view: View[P]) -> View[P]:
    """Let only requests through whose second factor is fresh; send the others to prove it, and then back.

    It asks before the view does: where a refusal of the policy must come first, call `require_fresh` in the view.
    """

    @wraps(view)
    def stepped_up(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        return view(request, *args, **kwargs) if is_fresh(request) else ask_for_proof(request)

    return stepped_up


def ask_for_proof(request: HttpRequest, error: DomainError | None = None) -> HttpResponse:
    """Answer a request that needs a fresh proof: pages are led to the question, programs are told."""
    error = error or SecondFactorNeeded()
    question = "compliance:password_again" if isinstance(error, PasswordNeeded) else "compliance:step_up"
    place = f"{reverse(question)}?{urlencode({'next': where_they_were(request)})}"
    if request.headers.get("HX-Request"):
        return HttpResponse(status=403, headers={"HX-Redirect": place})
    if not request.accepts("text/html"):
        return JsonResponse({"error": error.code, "message": error.message, "url": place}, status=error.http_status)
    return HttpResponseRedirect(place)


def where_they_were(request: HttpRequest) -> str:
    """Return the path of the page on which the person was: a form that is posted cannot be opened again."""
    if htmx := request.headers.get("HX-Current-URL"):
        return safe_path(request, htmx)
    if request.method in {"GET", "HEAD"}:
        return request.get_full_path()
    return safe_path(request, request.headers.get("Referer", ""))


def safe_path(request: HttpRequest, url: str) -> str:
    """Return the path of an address of this site, and "/" for any other."""
    if not url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure()):
        return "/"
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    # "//elsewhere" after the host is cut off would name another site again.
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


def problems_of(form: Form) -> str:
    """Return everything that is wrong with a form as one line."""
    return " ".join(str(error) for errors in form.errors.values() for error in errors)


@open_while_away
@require_http_methods(["GET", "POST"])
def step_up(request: HttpRequest) -> HttpResponse:
    """Ask for a second factor (GET), check it and lead back (POST)."""
    user = signed_in(request)
    back = safe_path(request, request.POST.get("next") or request.GET.get("next") or "/")
    form: SignInCodeForm | SignInPasskeyForm | None = None
    if request.method == "POST":
        kind = SignInPasskeyForm if "credential" in request.POST else SignInCodeForm
        form = kind(request.POST, user=user)
        if form.is_valid():
            form.save()
            touch_session(sign_in_of(request), sure=True)
            return HttpResponseRedirect(back)
        record_event(
            category=EventCategory.SECURITY,
            code="step_up_failed",
            message="A fresh second factor was asked for and was wrong.",
            user=user,
            fold=True,
        )
    kinds = set(factors_of(user).values_list("type", flat=True))
    passkey = begin_authentication(user) if Authenticator.Type.WEBAUTHN in kinds else None
    context = {
        "next": back,
        "problem": problems_of(form) if form else "",
        "has_factor": bool(kinds),
        "typed": Authenticator.Type.TOTP in kinds or codes_left(user) > 0,
        "passkey": json.dumps(passkey) if passkey else "",
        "demo_code": demo_code(user),
        "away": is_away(request),
    }
    return render(request, "compliance/step_up.html", context, status=400 if form else 200)
