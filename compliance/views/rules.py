"""Rules of compliance: what they say, what they found with its proofs, settling it, and trying a draft on the past."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from compliance.errors import ReasonNeeded, RuleRefused
from compliance.models import RuleTrial, RuleVersion, ViolationState
from compliance.rulebook.reading import MAX_TEXT
from compliance.selectors.log import newest_checkpoint
from compliance.selectors.rules import entries_at, standings, violations_for
from compliance.services.accesses import record_access, record_list_access
from compliance.services.rates import Limit
from compliance.services.rule_trials import cancel_trial, start_trial
from compliance.services.rules import read_draft, settle, switch_on
from compliance.views.access import require, signed_in, visible_or_404
from compliance.views.marks import limited
from compliance.views.step_up import require_fresh

VIEW, MANAGE = "compliance.view_report", "compliance.manage_policy"
PAGE = 50
DAYS = 30
DRAFTS = Limit("drafts", 30)  # each replays the past
EXAMPLE = """[[rule]]
id = "evening-doses"
version = 1
title = "Insulin is checked within ten minutes"
plain = "Before insulin is given, somebody else has checked this dose at most 10 minutes earlier."
source = "a draft"
severity = "medium"
on = { codes = ["dose_given"], where = { "detail.high_alert" = true } }

[[rule.demand]]
name = "checked"
kind = "before"
codes = ["dose_checked"]
join = [["detail.dose", "detail.dose"]]
within_min = 10
actor = "another"
sentence = "The check was older than ten minutes, or missing."
"""


@require_GET
def rules_page(request: HttpRequest) -> HttpResponse:
    """Show the rules in force, in plain words, with what they found."""
    user = require(request, VIEW)
    newest = violations_for(user).filter(state=ViolationState.OPEN)[:5]
    record_list_access(user=user, patients=[found.patient_id for found in newest], what="violations")
    context = {
        "standings": standings(user),
        "newest": newest,
        "head": newest_checkpoint(),
        "may_manage": user.has_perm(MANAGE),
    }
    return render(request, "compliance/rules.html", context)


@require_GET
def rule_page(request: HttpRequest, rule: str, version: int) -> HttpResponse:
    """Show one version of a rule with its text, demand by demand."""
    require(request, VIEW)
    row = visible_or_404(RuleVersion.objects.all(), rule_id=rule, version=version)
    versions = RuleVersion.objects.filter(rule_id=row.rule_id).select_related("switched_on_by")
    return render(request, "compliance/rule.html", {"row": row, "rule": row.rule(), "versions": versions})


@require_GET
def violations(request: HttpRequest) -> HttpResponse:
    """List violations, open ones first unless another state is asked for."""
    user = require(request, VIEW)
    state = request.GET.get("state", "open")
    rule_id = request.GET.get("rule", "")
    found = violations_for(user)
    if state in ViolationState.values:
        found = found.filter(state=state)
    if rule_id:
        found = found.filter(rule__rule_id=rule_id)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    record_list_access(user=user, patients=[one.patient_id for one in page.object_list], what="violations")
    context = {
        "page": page,
        "state": state,
        "rule_id": rule_id,
        "states": [("open", "Open"), ("explained", "Explained"), ("closed", "Closed"), ("all", "All")],
        "rules": sorted(set(RuleVersion.objects.values_list("rule_id", flat=True))),
        "others": urlencode({"rule": rule_id, "state": state}),
    }
    return render(request, "compliance/violations.html", context)


@require_http_methods(["GET", "POST"])
def violation(request: HttpRequest, violation_id: int) -> HttpResponse:
    """Show a violation with the records that prove it, and settle it with a reason."""
    user = signed_in(request)
    found = visible_or_404(violations_for(user), pk=violation_id)
    record_access(user=user, patient=found.patient, what="violation")
    problem = ""
    if request.method == "POST":
        state, reason = request.POST.get("state", ""), request.POST.get("reason", "")
        try:
            settle(violation=found, user=user, state=state, reason=reason)
        except ReasonNeeded as error:
            problem = error.message
        else:
            messages.success(request, "Settled. It stays in the list and in every report.")
            return redirect("compliance:violation", found.pk)
    context = {
        "violation": found,
        "rule": found.rule.rule(),
        "records": entries_at(found.indexes),
        "problem": problem,
        "reason": request.POST.get("reason", ""),
    }
    return render(request, "compliance/violation.html", context, status=400 if problem else 200)


@limited(DRAFTS)
@require_http_methods(["GET", "POST"])
def draft(request: HttpRequest) -> HttpResponse:
    """Write a draft (GET); try it on the past, or switch it on with a fresh second factor (POST)."""
    user = require(request, MANAGE)
    text = request.POST.get("text", EXAMPLE)[: MAX_TEXT + 1]
    problem = ""
    try:
        if request.method == "POST" and request.POST.get("act") == "switch_on":
            require_fresh(request)
            row = switch_on(rule=read_draft(text), text=text, user=user)
            messages.success(request, f"{row.rule().title}: version {row.version} is in force and reads the log.")
            return redirect("compliance:rules")
        if request.method == "POST":
            trial = start_trial(text=text, days=_days(request.POST.get("days", "")), user=user)
            return redirect("compliance:rule_trial", trial.pk)
    except RuleRefused as error:
        problem = error.message
    context = {"text": text, "days": request.POST.get("days", DAYS), "trial": None, "problem": problem}
    return render(request, "compliance/rule_draft.html", context, status=400 if problem else 200)


@require_GET
def trial(request: HttpRequest, trial_id: int) -> HttpResponse:
    """Show how far the trial of a draft is, and what it found so far; to htmx the part that changes."""
    found = visible_or_404(RuleTrial.objects.filter(user=require(request, MANAGE)), pk=trial_id)
    if request.headers.get("HX-Request"):
        return render(request, "compliance/_rule_trial.html", {"trial": found})
    context = {"text": found.text, "days": found.days, "trial": found, "problem": ""}
    return render(request, "compliance/rule_draft.html", context)


@require_POST
def end_trial(request: HttpRequest, trial_id: int) -> HttpResponse:
    """Stop a trial of one's own."""
    found = visible_or_404(RuleTrial.objects.filter(user=require(request, MANAGE)), pk=trial_id)
    cancel_trial(found)
    return redirect("compliance:rule_trial", found.pk)


def _days(word: str) -> int:
    return int(word) if word.isascii() and word.isdigit() and len(word) < 5 else 0
