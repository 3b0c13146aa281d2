"""The policy simulator: who could do what to one thing, or what one person could, and why. Asking changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from compliance.errors import NotFound
from compliance.models import PolicyActivation, PolicyVersion, User, Ward
from compliance.policy import ACTIONS, Purpose, Role
from compliance.policy.kinds import KINDS, Place
from compliance.selectors import patients_for, scope_for
from compliance.selectors.named import LEAST_CHARS, Found, Named, find, one
from compliance.selectors.policy import active_policy
from compliance.selectors.simulator import About, Answer, WhatIf, ask, by_role
from compliance.services.accesses import record_access, record_list_access
from compliance.services.rates import Limit
from compliance.views.access import require
from compliance.views.marks import limited

SIMULATE, MANAGE = "compliance.simulate_policy", "compliance.manage_policy"
EVERYTHING = "everything"
M = TypeVar("M", bound=Model)
STATES = ["active", "quarantined", "retired"]
PAGE = 100  # answers on a page
# What an address keeps while another thing is chosen: the question, without what it is about.
QUESTION = ("action", "person", "purpose", "at", "fresh", "off_shift", "refused", "opened")
SEARCHES = Limit("policy_searches", 120)  # somebody types; a program that tries names does not


@require_GET
def simulator(request: HttpRequest) -> HttpResponse:
    """Answer who could do something to a thing, or what one person could, and why; nothing is done."""
    user = require(request, SIMULATE)
    return _page(request, user, request.GET)


@require_POST
@limited(SEARCHES)
def find_thing(request: HttpRequest) -> HttpResponse:
    """Find things to ask about. What is typed may be a name, so that it stands in no address; htmx asks for the list
    alone."""
    user = require(request, SIMULATE)
    code = _kind_code(request.POST)
    found = find(scope_for(user, SIMULATE), code, request.POST.get("q", ""))
    record_list_access(user=user, patients=found.patient_ids, what="policy")
    if request.headers.get("HX-Target") == "found":
        return render(request, "compliance/_policy_found.html", _search(request.POST, code, found))
    return _page(request, user, request.POST, found)


def _search(asked: Mapping[str, str], code: str, found: Found | None) -> dict[str, object]:
    kept = {name: asked[name] for name in QUESTION if asked.get(name)}
    if kept.get("action") not in {EVERYTHING, *KINDS[code].actions}:
        kept.pop("action", None)
    text = " ".join(asked.get("q", "").split())
    return {
        "found": found,
        "kind": KINDS[code],
        "kind_code": code,
        "text": text,
        "too_short": KINDS[code].place is Place.PATIENT and len(text) < LEAST_CHARS,
        "base": f"{reverse('compliance:policy')}?{urlencode({'kind': code, **kept})}",
        "kept": kept,
    }


def _page(request: HttpRequest, user: User, asked: Mapping[str, str], found: Found | None = None) -> HttpResponse:
    code = _kind_code(asked)
    kind = KINDS[code]
    about, thing = _about(user, code, asked) if found is None else (None, None)
    people = User.objects.exclude(role=Role.NONE.value).order_by("role", "username")
    person, action = _chosen(people, asked.get("person", "")), asked.get("action", kind.actions[0])
    answers: list[Answer] = []
    if about is not None and action in {*ACTIONS, EVERYTHING} and (person or action != EVERYTHING):
        wanted = list(ACTIONS) if action == EVERYTHING else [action]
        asks = [person] if person and action == EVERYTHING else people
        answers = list(by_role(ask(asks, wanted, about, _assumed(asked)), kind.actions))
    single = next((answer for answer in answers if answer.user == person), None) if action != EVERYTHING else None
    place = {name: asked[name] for name in ("object", "patient", "ward") if about and asked.get(name)}
    base = {"kind": code, **place, **{name: asked[name] for name in QUESTION[2:] if asked.get(name)}}
    context = {
        **_search(asked, code, found),
        "people": people, "kinds": KINDS, "actions": ACTIONS, "purposes": list(Purpose), "states": STATES,
        "asked": asked, "action": action, "about": about, "thing": thing, "place": place, "person": person,
        "answers": Paginator(answers, PAGE).get_page(asked.get("page")), "one": single, "everything": EVERYTHING,
        "here": urlencode(base),
        "asked_so": urlencode({**base, "action": action, "person": person.pk if person else ""}),
        "policy": active_policy(), "may_manage": user.has_perm(MANAGE),
        "activations": PolicyActivation.objects.select_related("version", "by")[:50],
        "waiting": _waiting(),
    }  # fmt: skip
    return render(request, "compliance/policy.html", context)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What was chosen, for the head of the page."""

    title: str
    detail: str = ""
    state: str = ""


def _about(user: User, code: str, asked: Mapping[str, str]) -> tuple[About | None, _Chosen | None]:
    """Return what is asked about, inside what the reader may ask about, and note whose it is.

    Raises NotFound for a single thing that is not there or not the reader's to ask about.
    """
    kind, scope = KINDS[code], scope_for(user, SIMULATE)
    if asked.get("object"):
        found = one(scope, code, asked["object"])
        if found is None:
            raise NotFound
        named, row = found
        record_access(user=user, patient=named.patient, what="rights")
        return About(thing=row), _head(named)
    if kind.place is Place.PATIENT:
        patient = _chosen(patients_for(user, SIMULATE), asked.get("patient", ""))
        record_access(user=user, patient=patient, what="rights")
        return (About(patient=patient), _Chosen(patient.name, patient.ward.name)) if patient else (None, None)
    if kind.place is Place.WARD:
        ward = _chosen(Ward.objects.filter(pk__in=scope.ward_ids), asked.get("ward", ""))
        return (About(ward=ward), _Chosen(ward.name)) if ward else (None, None)
    return About(), _Chosen("The house")


def _head(named: Named) -> _Chosen:
    whose = [named.patient.name] if named.patient is not None else []
    return _Chosen(named.title, ", ".join([*whose, named.ward or "of no ward"]), named.resource.device_state or "")


def _kind_code(asked: Mapping[str, str]) -> str:
    return asked["kind"] if asked.get("kind", "") in KINDS else _kind_of(asked.get("action", ""))


def _kind_of(action: str) -> str:
    return next((code for code, kind in KINDS.items() if action in kind.actions), "record")


def _waiting() -> list[PolicyVersion]:
    """Return versions that somebody put down and nobody has let decide yet."""
    return list(PolicyVersion.objects.filter(activations=None).select_related("made_by")[:10])


def _chosen(rows: QuerySet[M], wanted: str) -> M | None:
    try:
        return rows.filter(pk=wanted).first() if wanted else None
    except (ValueError, ValidationError, OverflowError):
        return None


def _assumed(asked: Mapping[str, str]) -> WhatIf:
    purpose, state = asked.get("purpose", ""), asked.get("state", "")
    return WhatIf(
        purpose=Purpose(purpose) if purpose in set(Purpose) else None,
        fresh="fresh" in asked,
        off_shift="off_shift" in asked,
        refused="refused" in asked,
        opened="opened" in asked,
        device_state=state if state in STATES else None,
        at=_moment(asked.get("at", "")),
    )


def _moment(text: str) -> datetime | None:
    """Return a moment as the form gives it, on the policy's own clock; None for now."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=active_policy().time_zone)
    except ValueError:
        return None
