"""The pages of FHIR subscriptions: which there are, how their receivers take them, what was given up."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from compliance.fhir.hooks.keeping import send_again, switch_off
from compliance.fhir.hooks.reading import RIGHT
from compliance.models import Subscription
from compliance.selectors.subscriptions import notices_for, outbox_of, subscription_rows, subscriptions_for
from compliance.views.access import require, visible_or_404
from compliance.views.step_up import require_fresh


@require_GET
def subscription_list(request: HttpRequest) -> HttpResponse:
    """Show the subscriptions; htmx asks for the table alone."""
    context = {"rows": subscription_rows(subscriptions_for(require(request, RIGHT)))}
    partial = request.headers.get("HX-Target") == "subscriptions"
    page = "compliance/_subscriptions.html" if partial else "compliance/subscriptions.html"
    return render(request, page, context)


@require_GET
def subscription_page(request: HttpRequest, subscription_id: UUID) -> HttpResponse:
    """Show one subscription and its outbox."""
    mine = subscriptions_for(require(request, RIGHT))
    subscription = visible_or_404(mine, pk=subscription_id)
    row = subscription_rows(Subscription.objects.filter(pk=subscription.pk).select_related("owner", "client"))[0]
    context = {"row": row, "subscription": row.subscription, "outbox": outbox_of(subscription)}
    partial = request.headers.get("HX-Target") == "outbox"
    return render(
        request, "compliance/_subscription_outbox.html" if partial else "compliance/subscription.html", context
    )


@require_POST
def end_subscription(request: HttpRequest, subscription_id: UUID) -> HttpResponse:
    """Switch a subscription off. It asks for no second factor: ending access must be quick."""
    user = require(request, RIGHT)
    subscription = visible_or_404(subscriptions_for(user), pk=subscription_id)
    switch_off(subscription, "It was switched off on the page of subscriptions.", user)
    messages.success(request, "The subscription is off: nothing more goes to its address.")
    return HttpResponseRedirect(reverse("compliance:subscription", args=[subscription.pk]))


@require_POST
def resend_notice(request: HttpRequest, parked_id: int) -> HttpResponse:
    """Put a notice that was given up back into the line, after a fresh second factor."""
    user = require(request, RIGHT)
    notice = visible_or_404(notices_for(user), pk=parked_id)
    require_fresh(request)
    send_again(notice, user)
    return HttpResponseRedirect(reverse("compliance:subscription", args=[notice.subscription_id]))
