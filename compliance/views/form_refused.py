"""What a person sees whose form carries the token of another sign-in: nothing was done, and the way back to the form.

It happens to honest people: a page lies open in one tab while they sign in or out in another.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import Resolver404, resolve, reverse

from compliance.errors import FormRefused
from compliance.models import EventCategory, User
from compliance.services.events import record_error
from compliance.views.marks import is_public
from compliance.views.step_up import safe_path


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Refuse a request without the token of its page (django.middleware.csrf), and lead back.

    What htmx sent makes its page load again. The refusal is an event where somebody is signed in; a stranger's would
    let anybody fill the table.
    """
    error = FormRefused()
    person = request.user if isinstance(request.user, User) else None
    if person is not None:
        record_error(error, category=EventCategory.SECURITY, user=person)
    if request.headers.get("HX-Request"):
        return HttpResponse(status=error.http_status, headers={"HX-Refresh": "true"})
    if not request.accepts("text/html"):
        return JsonResponse({"error": error.code, "message": error.message}, status=error.http_status)
    where = {"back": _way_back(request, person), "signed_in": person is not None}
    return render(request, "403_csrf.html", where, status=error.http_status)


def _way_back(request: HttpRequest, person: User | None) -> str:
    """Return where the form is to be had anew: the page that held it, or the sign-in for whoever is not signed in."""
    page = safe_path(request, request.headers.get("Referer", ""))
    if person is None:
        return page if _lets_people_in(page) else reverse(settings.LOGIN_URL)
    return "/" if _lets_people_in(page) else page


def _lets_people_in(path: str) -> bool:
    try:
        return is_public(resolve(path.partition("?")[0]).func)
    except Resolver404:
        return False
