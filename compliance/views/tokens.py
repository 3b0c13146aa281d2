"""Access tokens of the FHIR API: one's own, shown once when they are made, and the backend services of a ward."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from compliance.errors import DomainError
from compliance.fhir.hooks.reading import RIGHT
from compliance.models import User, Ward
from compliance.policy import Role
from compliance.selectors import scope_for
from compliance.selectors.tokens import MANAGE_CLIENTS, clients_for, personal_tokens
from compliance.services.fhir_clients import register_client, revoke_client
from compliance.services.second_factor import proved_at
from compliance.services.tokens import issue_personal, revoke_token
from compliance.views.access import require, visible_or_404
from compliance.views.step_up import require_fresh
from compliance.views.token_forms import ClientForm, TokenForm

MANAGE = "compliance.manage_tokens"
HINT = "user/*.rs reads and searches everything you may see; user/Observation.crs also adds measurements."
OWN_HINT = "patient/*.rs reads everything in your own record; patient/Observation.rs your measurements alone."


@require_http_methods(["GET", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """Show one's own tokens (GET); make one, after a fresh second factor, and show it this once (POST)."""
    user = require(request, MANAGE)
    form = TokenForm(request.POST or None, user=user)
    secret = ""
    if request.method == "POST":
        require_fresh(request)
        secret = _make(form, user, proved_at(request))
    status = 400 if form.errors else 200
    return render(request, "compliance/tokens.html", _page(user, token_form=form, secret=secret), status=status)


def _make(form: TokenForm, user: User, proved: datetime | None) -> str:
    """Make a token and return its secret; nothing when the form, or the service, refuses."""
    if not form.is_valid():
        return ""
    data = form.cleaned_data
    try:
        issued = issue_personal(
            user=user,
            label=data["label"],
            scopes=data["scopes"],
            lasts=timedelta(days=data["days"]),
            now=timezone.now(),
            patient=data["patient"],
            proved_at=proved,
        )
    except DomainError as error:
        form.add_error(None, error.message)
        return ""
    return issued.secret


@require_POST
def revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    """End one of one's own tokens. It asks for no second factor: ending access must be quick."""
    user = require(request, MANAGE)
    now = timezone.now()
    revoke_token(token=visible_or_404(personal_tokens(user, now), pk=token_id), user=user, now=now)
    messages.success(request, "The token is revoked. Whoever still has it gets nothing.")
    return HttpResponseRedirect(reverse("compliance:tokens"))


@require_POST
def clients(request: HttpRequest) -> HttpResponse:
    """Register a backend service, after a fresh second factor."""
    user = require(request, MANAGE_CLIENTS)
    require_fresh(request)
    form = ClientForm(request.POST, wards=_wards(user))
    if form.is_valid():
        data = form.cleaned_data
        try:
            client = register_client(
                name=data["name"],
                jwks=data["jwks"],
                scopes=data["scopes"],
                ward=data["ward"],
                role=Role(data["role"]),
                by=user,
                shares_outside=data["shares_outside"],
                now=timezone.now(),
            )
        except DomainError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"{client.name} is registered. Its client_id is {client.pk}.")
            return HttpResponseRedirect(reverse("compliance:tokens"))
    return render(request, "compliance/tokens.html", _page(user, client_form=form), status=400)


@require_POST
def end_client(request: HttpRequest, client_id: UUID) -> HttpResponse:
    """End a backend service and all its tokens."""
    user = require(request, MANAGE_CLIENTS)
    client = visible_or_404(clients_for(user), pk=client_id)
    revoke_client(client=client, by=user, now=timezone.now())
    messages.success(request, f"{client.name} is ended, with all its tokens.")
    return HttpResponseRedirect(reverse("compliance:tokens"))


def _wards(user: User) -> object:
    return Ward.objects.filter(pk__in=scope_for(user, MANAGE_CLIENTS, once_confirmed=True).ward_ids)


def _page(
    user: User, *, token_form: Form | None = None, client_form: Form | None = None, secret: str = ""
) -> dict[str, object]:
    runs_clients = user.has_perm(MANAGE_CLIENTS)
    return {
        "tokens": personal_tokens(user, timezone.now()).select_related("patient"),
        "token_form": TokenForm(user=user) if secret or token_form is None else token_form,
        "secret": secret,
        "scopes_hint": OWN_HINT if user.role == Role.PATIENT else HINT,
        "runs_clients": runs_clients,
        "may_subscribe": user.has_perm(RIGHT),
        "clients": clients_for(user).order_by("name") if runs_clients else (),
        "client_form": (client_form or ClientForm(wards=_wards(user))) if runs_clients else None,
    }
