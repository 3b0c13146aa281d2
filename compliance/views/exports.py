"""The page of bulk exports: ask for one, watch it, fetch its files, cancel it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from compliance.errors import NotFound
from compliance.fhir.access import Access
from compliance.fhir.authentication import base_of
from compliance.fhir.bulk import research
from compliance.fhir.bulk.kickoff import ACTION, kick_off, permitted
from compliance.fhir.registry import registered
from compliance.models import BulkExport, ExportLevel, User, Ward
from compliance.selectors import scope_for
from compliance.services.exports import remove_export
from compliance.services.rates import Limit
from compliance.views.access import require, visible_or_404
from compliance.views.marks import limited
from compliance.views.step_up import require_fresh

STARTS = Limit("exports", 10)  # each may walk through everything in reach


@require_GET
def export_list(request: HttpRequest) -> HttpResponse:
    """Show one's own exports; htmx asks for the table alone."""
    user = require(request, ACTION)
    mine = BulkExport.objects.filter(user=user, patient=None).select_related("ward").prefetch_related("files")[:50]
    access = _access(request, user)
    context = {
        "exports": mine,
        "wards": Ward.objects.filter(pk__in=scope_for(user, ACTION, once_confirmed=True).ward_ids),
        "may_research": not scope_for(user, research.ACTION, once_confirmed=True).empty,
        "k": {"least": research.LEAST_K, "usual": research.USUAL_K, "most": research.MOST_K},
        "types": [kind.name for kind in registered().values() if permitted(access, kind)],
    }
    partial = request.headers.get("HX-Target") == "exports"
    return render(request, "compliance/_exports.html" if partial else "compliance/exports.html", context)


@require_POST
@limited(STARTS)
def begin_export(request: HttpRequest) -> HttpResponse:
    """Ask for an export of a ward, or of everything in reach."""
    user = require(request, ACTION)
    require_fresh(request)
    wanted = request.POST.get("ward", "")
    if wanted and not (wanted.isascii() and wanted.isdigit() and len(wanted) < 18):
        raise NotFound
    pairs = (("_type", ",".join(request.POST.getlist("type"))),) if request.POST.getlist("type") else ()
    level = ExportLevel.GROUP if wanted else ExportLevel.SYSTEM
    address = request.build_absolute_uri()
    kick_off(_access(request, user), level, pairs, request=address, ward_id=int(wanted) if wanted else None)
    messages.success(request, "The export has begun. Its files appear below.")
    return HttpResponseRedirect(reverse("compliance:exports"))


@require_POST
@limited(STARTS)
def begin_research(request: HttpRequest) -> HttpResponse:
    """Ask for a de-identified export of a ward, or of everybody in reach."""
    user = require(request, research.ACTION)
    require_fresh(request)
    ward, k = (request.POST.get(name, "") for name in ("ward", "k"))
    if ward and not (ward.isascii() and ward.isdigit() and len(ward) < 18):
        raise NotFound
    wanted = int(k) if k.isascii() and k.isdigit() and len(k) < 4 else 0
    research.begin(_access(request, user), ward_id=int(ward) if ward else None, k=wanted)
    messages.success(request, "The export for research has begun. Its files and its report appear below.")
    return HttpResponseRedirect(reverse("compliance:exports"))


@require_POST
def end_export(request: HttpRequest, export_id: UUID) -> HttpResponse:
    """Cancel an export, or remove it with its files."""
    user = require(request, ACTION)
    remove_export(visible_or_404(BulkExport.objects.filter(user=user, patient=None), pk=export_id))
    messages.success(request, "The export and its files are removed.")
    return HttpResponseRedirect(reverse("compliance:exports"))


def _access(request: HttpRequest, user: User) -> Access:
    return Access(user, None, timezone.now(), base_of(request))
