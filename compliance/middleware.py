"""What every request passes: the sign-in behind it is still good, the policy learns its circumstances, pages are
private unless marked otherwise, and named errors get one kind of answer."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse

from compliance.errors import DomainError, NotPermitted, PasswordNeeded, SecondFactorNeeded
from compliance.models import User
from compliance.policy import Purpose
from compliance.policy.asking import asking
from compliance.presence import Standing
from compliance.services.factors import factors_of, must_enrol
from compliance.services.second_factor import is_fresh
from compliance.services.sessions import KEY, find_session, touch_session
from compliance.views.access import is_away
from compliance.views.marks import is_open_door, is_public
from compliance.views.step_up import ask_for_proof

log = logging.getLogger(__name__)
Respond = Callable[[HttpRequest], HttpResponse]
KEEP_NOWHERE = "private, no-store"  # after sign-out the Back button must not show a patient
PUBLIC_PREFIXES = ("/static/", "/healthz")
PURPOSE_HEADER = "X-Purpose-Of-Use"


class Presence:
    """Signs out what is over, and holds back whoever was away until they have shown that it is they."""

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Judge the sign-in behind the request."""
        request.away = False  # type: ignore[attr-defined]
        if isinstance(request.user, User):
            session, standing = find_session(request.session.get(KEY), request.user)
            if session is None or standing is Standing.OVER:
                logout(request)
            else:
                request.browser_session = session  # type: ignore[attr-defined]
                request.away = standing is Standing.AWAY  # type: ignore[attr-defined]
                if by_a_person(request):
                    touch_session(session)
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., object], _args: object, _kwargs: object
    ) -> HttpResponse | None:
        """Ask whoever was away who they are, except where the page goes on without them."""
        if not is_away(request) or not isinstance(request.user, User):
            return None
        if is_public(view) or getattr(view, "open_while_away", False):
            return None
        return ask_for_proof(request, SecondFactorNeeded() if factors_of(request.user).exists() else PasswordNeeded())


def by_a_person(request: HttpRequest) -> bool:
    """Tell whether somebody clicked or typed for this request.

    Browsers say so of navigations; what scripts fetch for a page that lies open is no sign of life. Those that say
    nothing are believed when they open a page.
    """
    if request.headers.get("Sec-Fetch-Mode"):
        return request.headers.get("Sec-Fetch-User") == "?1"
    return not request.headers.get("HX-Request")


class PolicyCircumstances:
    """Tells the policy what a request is for and whether its second factor is fresh; what it looks up it keeps until
    the answer is made."""

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on within its circumstances."""
        declared = request.headers.get(PURPOSE_HEADER)
        if declared is not None and declared not in set(Purpose):
            return JsonResponse({"error": "unknown_purpose", "message": f"{PURPOSE_HEADER} is unknown."}, status=400)
        purpose = None if declared is None else Purpose(declared)
        with asking(purpose, lambda: request.user.is_authenticated and is_fresh(request)):
            return self.get_response(request)


class SignInRequired:
    """Sends anonymous people to the sign-in page. Views marked `public` do their own authentication (gateways sign)."""

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on; what a view says nothing about is kept by no cache, the browser's own included."""
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", KEEP_NOWHERE)
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., object], _args: object, _kwargs: object
    ) -> HttpResponse | None:
        """Stop anonymous requests to private views, and staff who have yet to add a second factor."""
        if is_public(view) or is_open_door(view) or request.path.startswith(PUBLIC_PREFIXES):
            return None
        if isinstance(request.user, User):
            return _to_enrolment(request, request.user, view)
        if request.headers.get("HX-Request"):
            return HttpResponse(status=401, headers={"HX-Redirect": reverse(settings.LOGIN_URL)})
        return redirect_to_login(request.get_full_path())


def _to_enrolment(request: HttpRequest, user: User, view: Callable[..., object]) -> HttpResponse | None:
    if not must_enrol(user):
        return None
    request.enrolling = True  # type: ignore[attr-defined]
    if getattr(view, "open_while_enrolling", False):
        return None
    place = reverse("compliance:enrol")
    if request.headers.get("HX-Request"):
        return HttpResponse(status=403, headers={"HX-Redirect": place})
    if not request.accepts("text/html"):
        return JsonResponse({"error": "enrol_first", "message": "Set up a second factor first."}, status=403)
    return HttpResponseRedirect(place)


class DomainErrors:
    """Answers a DomainError raised by a view: JSON for machines, a small page for people."""

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Turn a named error into its answer; leave everything else to Django."""
        if not isinstance(error, DomainError):
            return None
        if isinstance(error, SecondFactorNeeded | PasswordNeeded):
            return ask_for_proof(request, error)
        if isinstance(error, NotPermitted):
            log.info(
                "refused %s %s for user %s",
                request.method,
                request.resolver_match and request.resolver_match.view_name,
                request.user.pk,
            )
        return answer_to(request, error)


def answer_to(request: HttpRequest, error: DomainError) -> HttpResponse:
    """Return what a named error is to whoever asked: a page for people, JSON for programs."""
    if request.accepts("text/html") and not request.headers.get("HX-Request"):
        return render(request, "error.html", {"error": error}, status=error.http_status)
    return JsonResponse({"error": error.code, "message": error.message}, status=error.http_status)
