"""Versions of the policy: another one written and tried out, its activation, history and roll-back."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from compliance.errors import DomainError, PolicyNeedsReason
from compliance.models import PolicyVersion
from compliance.policy import Policy, house_text, read_policy
from compliance.selectors.effects import Total, effects
from compliance.selectors.policy import active_policy
from compliance.services.policy import activate, put_down
from compliance.views.access import require, visible_or_404
from compliance.views.policy_texts import DRAFT, active_text, changed_lines, draft_of, forget_draft, keep_draft
from compliance.views.step_up import require_fresh

MANAGE = "compliance.manage_policy"
MOST_DIFFERENCES = 200


@require_http_methods(["GET", "POST"])
def draft(request: HttpRequest) -> HttpResponse:
    """Write another version, see who would gain and lose, and let it decide after a fresh second factor."""
    user = require(request, MANAGE)
    text = request.POST.get("text", draft_of(request) or active_text()).replace("\r\n", "\n")
    changes: list[Total] | None = None
    problem = ""
    if request.method == "POST":
        try:
            proposed = read_policy(text)
            if request.POST.get("act") == "activate":
                require_fresh(request)
                now, note = timezone.now(), request.POST.get("note", "").strip()
                if not note:
                    raise PolicyNeedsReason
                version = put_down(text=text, note=note, by=user, now=now)
                forget_draft(request)
                if active_policy().four_eyes:
                    messages.success(request, f"Version {version.pk} is put down. Somebody else has to let it decide.")
                    return HttpResponseRedirect(reverse("compliance:policy"))
                activate(version=version, by=user, now=now)
                messages.success(request, f"Version {version.pk} decides from now on.")
                return HttpResponseRedirect(reverse("compliance:policy"))
            keep_draft(request, text)
            changes = _totals(proposed)
        except DomainError as error:
            if error.http_status == 403:
                raise
            problem = error.message
    context: dict[str, object] = {
        "draft": DRAFT,
        "text": text,
        "problem": problem,
        "changes": changes,
        "note": request.POST.get("note", ""),
    }
    context["four_eyes"] = active_policy().four_eyes
    context |= {"shown": (changes or [])[:MOST_DIFFERENCES], "lines": changed_lines(active_text(), text)}
    return render(request, "compliance/policy_draft.html", context, status=400 if problem else 200)


@require_http_methods(["GET", "POST"])
def version(request: HttpRequest, number: int) -> HttpResponse:
    """Show an earlier version beside the active one (0 is the house's own), and go back to it."""
    user = require(request, MANAGE)
    found = visible_or_404(PolicyVersion.objects.all(), pk=number) if number else None
    problem = ""
    if request.method == "POST":
        require_fresh(request)
        try:
            activate(version=found, by=user, now=timezone.now())
        except DomainError as error:
            problem = error.message
        else:
            messages.success(request, f"Version {number} decides again.")
            return HttpResponseRedirect(reverse("compliance:policy"))
    text = found.text if found else house_text()
    changes = _totals(read_policy(text))
    context = {
        "changes": changes,
        "shown": changes[:MOST_DIFFERENCES],
        "number": number,
        "version": found,
        "active": found.active if found else not PolicyVersion.objects.filter(active=True).exists(),
        "lines": changed_lines(active_text(), text),
        "text": text,
        "problem": problem,
    }
    return render(request, "compliance/policy_version.html", context, status=400 if problem else 200)


def _totals(proposed: Policy) -> list[Total]:
    return effects(active_policy(), proposed, timezone.now()).totals()
