"""Two doors every request passes: pages are private unless marked otherwise; named errors get one kind of answer."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from compliance.errors import DomainError, NotPermitted

log = logging.getLogger(__name__)
Respond = Callable[[HttpRequest], HttpResponse]
KEEP_NOWHERE = "private, no-store"  # after sign-out the Back button must not show a patient
PUBLIC_PREFIXES = ("/account/", "/static/", "/healthz")


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
        """Stop anonymous requests to private views."""
        if request.user.is_authenticated or getattr(view, "public", False) or request.path.startswith(PUBLIC_PREFIXES):
            return None
        if request.headers.get("HX-Request"):
            return HttpResponse(status=401, headers={"HX-Redirect": settings.LOGIN_URL})
        return redirect_to_login(request.get_full_path())


def public(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Mark a view that authenticates by other means than a session."""
    view.public = True  # type: ignore[attr-defined]
    return view


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
        if isinstance(error, NotPermitted):
            log.info(
                "refused %s %s for user %s",
                request.method,
                request.resolver_match and request.resolver_match.view_name,
                request.user.pk,
            )
        if request.accepts("text/html") and not request.headers.get("HX-Request"):
            return render(request, "error.html", {"error": error}, status=error.http_status)
        return JsonResponse({"error": error.code, "message": error.message}, status=error.http_status)
