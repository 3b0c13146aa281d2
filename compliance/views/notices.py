"""The strip of notices on every page of those who run the house."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from compliance.selectors.notices import open_notices_for
from compliance.services.notices import take_notice
from compliance.views.access import require, visible_or_404

VIEW = "compliance.view_notices"


@require_GET
def notices(request: HttpRequest) -> HttpResponse:
    """Answer the strip alone, for a page that asks now and then."""
    return render(request, "compliance/_notices.html", {"notices": open_notices_for(require(request, VIEW))})


@require_POST
def take(request: HttpRequest, notice_id: int) -> HttpResponse:
    """Note that the reader sees to it."""
    user = require(request, VIEW)
    take_notice(notice=visible_or_404(open_notices_for(user), pk=notice_id), by=user)
    if request.headers.get("HX-Request"):
        return render(request, "compliance/_notices.html", {"notices": open_notices_for(user)})
    back = request.POST.get("next", "/")
    here = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()})
    return HttpResponseRedirect(back if here else "/")
