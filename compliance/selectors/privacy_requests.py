"""Reads of patients' requests: the queue of those who answer, and a patient's own."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from compliance.models import LegalHold, Patient, PrivacyRequest, User
from compliance.privacy.requests import WAITING
from compliance.selectors.people import scope_for, within_scope

MANAGE = "compliance.manage_privacy"


def requests_for(user: User) -> QuerySet[PrivacyRequest]:
    """Return the requests that `user` may answer or read, the most urgent first."""
    rows = PrivacyRequest.objects.select_related("patient__ward", "asked_by", "decided_by")
    scope = scope_for(user, MANAGE, once_confirmed=True)
    mine = within_scope(PrivacyRequest.objects.filter(ward_id=None), scope).values("pk")
    return rows.filter(Q(pk__in=mine) | Q(ward_id__in=scope.ward_ids))  # a closed record lies in a ward of nobody


def records_for(user: User) -> QuerySet[Patient]:
    """Return the patients whose requests and holds `user` sees to; whatever is done to them wants a fresh proof."""
    scope = scope_for(user, MANAGE, once_confirmed=True)
    return within_scope(Patient.objects.select_related("ward"), scope, patient_field="")


def holds_for(user: User) -> QuerySet[LegalHold]:
    """Return the holds on them."""
    scope = scope_for(user, MANAGE, once_confirmed=True)
    return within_scope(LegalHold.objects.select_related("patient"), scope)


def waiting_for(user: User) -> QuerySet[PrivacyRequest]:
    """Return those of them that the house still owes something."""
    return requests_for(user).filter(state__in=WAITING)


def own_requests(patient: Patient) -> QuerySet[PrivacyRequest]:
    """Return what a patient asked, newest first."""
    return PrivacyRequest.objects.filter(patient=patient).select_related("correction__patient").order_by("-asked_at")
