"""Where a person is signed in: end one or all others, and the page's word that somebody is there."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from compliance.errors import NotFound
from compliance.services.sessions import KEY, end_other_sessions, end_sessions, live_sessions, touch_session
from compliance.views.access import sign_in_of, signed_in


@require_POST
def end_one(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """End one sign-in of this person."""
    user = signed_in(request)
    if not end_sessions((s for s in live_sessions(user) if s.pk == session_id), user=user, why="by the person"):
        raise NotFound
    messages.success(request, "Signed out there.")
    return HttpResponseRedirect(reverse("compliance:account"))


@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    """End every sign-in of this person but this one."""
    ended = end_other_sessions(signed_in(request), keep=request.session.get(KEY), why="by the person")
    messages.success(request, f"Signed out in {ended} other place{'' if ended == 1 else 's'}.")
    return HttpResponseRedirect(reverse("compliance:account"))


@require_POST
def here(request: HttpRequest) -> HttpResponse:
    """Note that somebody touched the page; whoever is away already has to prove who they are instead."""
    touch_session(sign_in_of(request))
    return HttpResponse(status=204)
