"""What a patient does with the own record: decide about its uses, and take away who looked."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from compliance.errors import DecisionMissing, NotFound, SecondFactorNeeded
from compliance.models import Patient
from compliance.privacy.purposes import How
from compliance.selectors import decision_on
from compliance.selectors.accesses import disclosures_of
from compliance.services.accesses import record_access
from compliance.services.consents import decide_consent
from compliance.views.access import signed_in
from compliance.views.privacy_words import accounting_csv, look_of
from compliance.views.step_up import require_fresh

ANSWERS = {"yes": True, "no": False}


def own_patient_or_404(request: HttpRequest, action: str = "compliance.view_own_record") -> Patient:
    """Return the patient whom this account belongs to, when the policy lets them do `action`."""
    user = signed_in(request)
    own = user.own_patient
    decision = own and decision_on(user, action, own.policy_resource())
    if own is None or not decision:
        raise NotFound
    if decision.confirm:
        raise SecondFactorNeeded
    return own


@require_POST
def decide(request: HttpRequest, purpose: str) -> HttpResponse:
    """Allow or refuse one use of the own record; it holds at once."""
    patient = own_patient_or_404(request, "compliance.manage_consent")
    answer = ANSWERS.get(request.POST.get("given", ""))
    if answer is None:
        raise DecisionMissing
    decide_consent(
        patient=patient,
        purpose=purpose,
        given=answer,
        user=signed_in(request),
        how=How.SELF,
        text_version=request.POST.get("text_version", ""),
        now=timezone.now(),
    )
    return HttpResponseRedirect(f"{reverse('twin:own_record')}#use-{purpose}")


@require_GET
def who_looked(request: HttpRequest) -> HttpResponse:
    """Send the whole accounting of disclosures as CSV."""
    patient = own_patient_or_404(request, "compliance.export_record")
    require_fresh(request)
    record_access(user=request.user, patient=patient, what="disclosures")
    zone = ZoneInfo(patient.time_zone)
    looks = (look_of(record, zone) for record in disclosures_of(patient).iterator())
    response = HttpResponse(accounting_csv(looks), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="who-looked.csv"'
    return response
