"""The transparency log for people: newest heads, who witnesses, what is in sight, and the proof of one entry."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from compliance.errors import LogQuestionWrong
from compliance.log.merkle import leaf_hash
from compliance.models import EventCategory, LogEntry, Patient, User, Witness
from compliance.selectors.identities import by_name
from compliance.selectors.log import VIEW_HOUSE, entries_for, newest_checkpoint, proof_for
from compliance.selectors.log_reading import HOUSE, OTHER, PAGE, Asked, entries_asked, reading_right
from compliance.selectors.people import patients_for
from compliance.services.accesses import record_access, record_list_access
from compliance.services.proofs import About, export_proofs
from compliance.views.access import require, visible_or_404
from compliance.views.log_tree import drawn
from compliance.views.log_words import ERASED, HELD_BACK, Names, checks_of, facts_of, row_of, state_of
from compliance.views.step_up import require_fresh

VIEW = "compliance.view_log"
CATEGORIES = [(value, label) for value, label in EventCategory.choices] + [(OTHER, "Models and seals")]
OF_THE_HOUSE = (HOUSE, "Of no ward")
MOST_NUMBER = 1 << 62


@require_GET
def log_page(request: HttpRequest) -> HttpResponse:
    """Show the newest heads, the witnesses and the entries in sight; to htmx the part that changes."""
    user = require(request, VIEW)
    asked, before = asked_of(request.GET), _number(request.GET.get("before", ""))
    found = entries_asked(user, asked)
    page = list((found.filter(pk__lt=before) if before is not None else found)[: PAGE + 1])
    record_list_access(user=user, patients=[entry.patient_id for entry in page[:PAGE]], what="log")
    witnessed = newest_checkpoint(witnessed=True)
    names, may_read = Names(user, page), reading_right(user)
    filters = {name: str(value) for name, value in request.GET.items() if name != "before" and value}
    context = {
        "newest": newest_checkpoint(),
        "witnessed": witnessed,
        "witnesses": Witness.objects.all(),
        "rows": [row_of(entry, names, may_read, witnessed.size if witnessed else 0) for entry in page[:PAGE]],
        "older": page[PAGE - 1].pk if len(page) > PAGE else None,
        "before": before,
        "filters": filters,
        "query": _query(filters),
        "here": request.get_full_path(),
    }
    if request.headers.get("HX-Request"):
        return render(request, "compliance/_log_body.html", context)
    offered = by_name(patients_for(user, VIEW))
    record_list_access(user=user, patients=[patient.pk for patient in offered], what="log")
    categories = [*CATEGORIES, OF_THE_HOUSE] if user.has_perm(VIEW_HOUSE) else CATEGORIES
    choices = {"categories": categories, "patients": offered}
    return render(request, "compliance/log.html", context | choices)


@require_GET
def entry_page(request: HttpRequest, entry_id: int) -> HttpResponse:
    """Show one entry: what it says, its place, its proof, and that the proof holds now."""
    user = require(request, VIEW)
    entry = visible_or_404(entries_for(user), pk=entry_id)
    record_access(user=user, patient=_subject_of(entry), what="log_entry")
    proof = proof_for(entry)
    names, witnessed = Names(user, [entry]), newest_checkpoint(witnessed=True)
    readable = reading_right(user)(entry)
    context: dict[str, Any] = {
        "entry": entry,
        "state": state_of(entry, witnessed.size if witnessed else 0),
        "readable": readable and not entry.erased,
        "why_not": ERASED if entry.erased else HELD_BACK,
        "patient": names.patient(entry.patient_id),
        "facts": facts_of(entry, names) if readable else [],
        "commitment": bytes(entry.commitment).hex(),
        "salt": bytes(entry.salt).hex() if entry.salt is not None else "",
        "proof": proof,
        "checked_at": datetime.now(tz=UTC),
    }
    if proof is not None and entry.leaf_index is not None:
        leaf = leaf_hash(bytes(entry.commitment))
        checks = checks_of(entry)
        context["tree"] = drawn(leaf=leaf, index=entry.leaf_index, size=proof.checkpoint.size, path=proof.path)
        context["checks"] = checks
        context["broken"] = any(check.outcome == "broken" for check in checks)
    return render(request, "compliance/log_entry.html", context)


@require_GET
def entry_of_event(request: HttpRequest, event_id: int) -> HttpResponse:
    """Lead from an event to the entry that commits to it."""
    entry = visible_or_404(entries_for(require(request, VIEW)), event_id=event_id)
    return HttpResponseRedirect(reverse("compliance:log_entry", args=[entry.pk]))


@require_GET
def entry_proof(request: HttpRequest, entry_id: int) -> HttpResponse:
    """Hand out the proof of one entry."""
    user = require(request, VIEW)
    entry = visible_or_404(entries_for(user), pk=entry_id)
    require_fresh(request)
    return _download(user, entries_for(user).filter(pk=entry.pk), About(event_id=entry.event_id), f"entry-{entry.pk}")


@require_GET
def proofs(request: HttpRequest) -> HttpResponse:
    """Hand out the proofs of everything in sight of a patient, a time, or both."""
    user = require(request, VIEW)
    asked = asked_of(request.GET)
    require_fresh(request)
    wanted = Asked(patient_id=asked.patient_id, since=asked.since, until=asked.until)
    about = About(patient_id=asked.patient_id, since=asked.since, until=asked.until)
    return _download(user, entries_asked(user, wanted), about, "entries")


def _download(user: User, entries: Any, about: About, name: str) -> HttpResponse:
    bundle = export_proofs(entries, about=about, may_read=reading_right(user), by=user)
    opened = entries.filter(leaf_index__isnull=False, patient_id__isnull=False).order_by()
    record_list_access(user=user, patients=opened.values_list("patient_id", flat=True).distinct(), what="log_proofs")
    disposition = {"Content-Disposition": f'attachment; filename="medtwin-proof-{name}.json"'}
    return HttpResponse(json.dumps(bundle, indent=1), content_type="application/json", headers=disposition)


def _subject_of(entry: LogEntry) -> Patient | None:
    """Return whom an entry is about, while the house still knows them."""
    return Patient.objects.filter(pk=entry.patient_id).first() if entry.patient_id else None


def asked_of(query: QueryDict) -> Asked:
    """Read the filter of the list. Raises LogQuestionWrong."""
    word, category = query.get("q", "").strip(), query.get("category", "")
    if category and category not in dict([*CATEGORIES, OF_THE_HOUSE]):
        raise LogQuestionWrong
    number = _number(word) if word.isascii() and word.isdigit() else None
    return Asked(
        number=number,
        category=category,
        code=word if number is None else "",
        patient_id=_patient(query.get("patient", "")),
        since=_moment(query.get("from", "")),
        until=_moment(query.get("to", "")),
    )


def _number(word: str) -> int | None:
    if not word:
        return None
    if not (word.isascii() and word.isdigit() and len(word) < 20 and int(word) < MOST_NUMBER):
        raise LogQuestionWrong
    return int(word)


def _patient(word: str) -> UUID | None:
    try:
        return UUID(word) if word else None
    except ValueError as error:
        raise LogQuestionWrong from error


def _moment(word: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(word) if word else None
    except ValueError as error:
        raise LogQuestionWrong from error
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def _query(filters: dict[str, str]) -> str:
    made = QueryDict(mutable=True)
    made.update(filters)
    return made.urlencode()
