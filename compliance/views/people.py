"""The people page: who works here, as what, on which ward, in which shifts; each change after a fresh second factor."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from compliance.errors import DomainError
from compliance.models import CareRelationship, Shift, User
from compliance.policy import Role
from compliance.selectors import patients_for
from compliance.services import people as services
from compliance.services.accesses import record_list_access
from compliance.views.access import require, visible_or_404
from compliance.views.people_forms import ROLES, LinkForm, PersonForm, RoleForm, ShiftForm
from compliance.views.step_up import problems_of, require_fresh

MANAGE = "compliance.manage_people"
PAGE = 50


@require_GET
def people(request: HttpRequest) -> HttpResponse:
    """List people, by name, role and standing."""
    require(request, MANAGE)
    found = User.objects.order_by("-is_active", "role", "username")
    text, role = request.GET.get("q", "").strip(), request.GET.get("role", "")
    for word in text.split():
        named = Q(username__icontains=word) | Q(first_name__icontains=word) | Q(last_name__icontains=word)
        found = found.filter(named)
    if role in set(Role):
        found = found.filter(role=role)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "text": text, "role": role, "roles": list(Role)}
    return render(request, "compliance/people.html", context)


@require_http_methods(["GET", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    """Add a person and show the first password once."""
    by = require(request, MANAGE)
    require_fresh(request)
    form = PersonForm(request.POST or None)
    problem, made = "", None
    if request.method == "POST" and form.is_valid():
        said = {**form.cleaned_data, "role": Role(form.cleaned_data["role"])}
        try:
            made = services.add_person(by=by, **said)
        except DomainError as error:
            problem = error.message
    status = 400 if problem or form.errors else 200
    context = {"form": form, "problem": problem, "made": made}
    return render(request, "compliance/person_add.html", context, status=status)


@require_GET
def person(request: HttpRequest, person: int) -> HttpResponse:
    """Show one person with their links and shifts."""
    by = require(request, MANAGE)
    found = visible_or_404(User.objects.all(), pk=person)
    now = timezone.now()
    start = {"starts_at": now}
    links = CareRelationship.objects.filter(user=found).select_related("ward", "patient").order_by("-starts_at")
    visible = set(patients_for(by).values_list("pk", flat=True))
    record_list_access(user=by, patients=visible, what="links")  # the form offers each of them by name
    context = {
        "person": found,
        "myself": found.pk == by.pk,
        "now": now,
        "links": [(one, one.patient_id is None or one.patient_id in visible) for one in links],
        "shifts": Shift.objects.filter(user=found)[:30],
        "roles": [*ROLES, (Role.NONE.value, "None: may do nothing here")],
        "link_form": LinkForm(initial=start, patients=patients_for(by)),
        "shift_form": ShiftForm(initial=start),
    }
    return render(request, "compliance/person.html", context)


@require_POST
def role(request: HttpRequest, person: int) -> HttpResponse:
    """Give a person another role."""
    by, found = _managed(request, person)
    form = RoleForm(request.POST)
    return _changed(
        request, found, form, lambda: services.change_role(by=by, person=found, role=Role(form.cleaned_data["role"]))
    )


@require_POST
def standing(request: HttpRequest, person: int) -> HttpResponse:
    """Switch an account off, or on again."""
    by, found = _managed(request, person)
    active = request.POST.get("active") != "no"  # only the plain word switches somebody off
    return _changed(request, found, None, lambda: services.set_active(by=by, person=found, active=active))


@require_POST
def link(request: HttpRequest, person: int) -> HttpResponse:
    """Link a person to a ward or a patient in the reach of whoever does it."""
    by, found = _managed(request, person)
    form = LinkForm(request.POST, patients=patients_for(by))
    return _changed(request, found, form, lambda: services.link(by=by, person=found, **form.cleaned_data))


@require_POST
def end_link(request: HttpRequest, relationship: int) -> HttpResponse:
    """End a link now."""
    by = require(request, MANAGE)
    held = visible_or_404(CareRelationship.objects.select_related("user"), pk=relationship)
    require_fresh(request)
    return _changed(request, held.user, None, lambda: services.end_link(by=by, relationship=held, now=timezone.now()))


@require_POST
def add_shift(request: HttpRequest, person: int) -> HttpResponse:
    """Record a shift."""
    by, found = _managed(request, person)
    form = ShiftForm(request.POST)
    return _changed(request, found, form, lambda: services.add_shift(by=by, person=found, **form.cleaned_data))


@require_POST
def remove_shift(request: HttpRequest, shift: int) -> HttpResponse:
    """Take a shift off the plan."""
    by = require(request, MANAGE)
    found = visible_or_404(Shift.objects.select_related("user"), pk=shift)
    require_fresh(request)
    return _changed(request, found.user, None, lambda: services.remove_shift(by=by, shift=found))


def _managed(request: HttpRequest, person: int) -> tuple[User, User]:
    by = require(request, MANAGE)
    found = visible_or_404(User.objects.all(), pk=person)
    require_fresh(request)
    return by, found


def _changed(request: HttpRequest, person: User, form: Form | None, change: Callable[[], object]) -> HttpResponse:
    """Make the change and go back to the person, with what went wrong or that it holds."""
    problem = "" if form is None or form.is_valid() else problems_of(form)
    if not problem:
        try:
            change()
        except DomainError as error:
            problem = error.message
    if problem:
        messages.error(request, problem)
    else:
        messages.success(request, "Done. It holds from now on.")
    return HttpResponseRedirect(reverse("compliance:person", args=[person.pk]))
