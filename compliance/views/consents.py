"""Decisions about the record that patients signed on paper: entered, withdrawn and read by staff."""

from __future__ import annotations

from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from compliance.errors import DomainError, NotFound
from compliance.models import Patient, User
from compliance.privacy.purposes import TERMS, TEXT_VERSION, How
from compliance.selectors.consents import consent_history, decisions_of
from compliance.services.accesses import record_access
from compliance.services.consents import decide_consent
from compliance.views.access import patient_or_404, require

MANAGE = "compliance.manage_consent"
SHOWN = 100


class PaperForm(forms.Form):
    """What stands on the paper."""

    purpose = forms.ChoiceField(label="Use", choices=[(use.value, terms.title) for use, terms in TERMS.items()])
    given = forms.ChoiceField(
        label="What was signed", choices=[("yes", "The use is allowed"), ("no", "The use is refused, or withdrawn")],
        widget=forms.RadioSelect,
    )  # fmt: skip
    signed_on = forms.DateField(label="Signed on", widget=forms.DateInput(attrs={"type": "date"}))
    reference = forms.CharField(
        label="Where the paper is", max_length=80,
        help_text="Folder and number, or the name of the scan. No names and no diagnosis.",
    )  # fmt: skip
    read = forms.BooleanField(label="The paper has the wording that holds today")

    def clean_signed_on(self) -> object:
        """Refuse a day that has not come."""
        day = self.cleaned_data["signed_on"]
        if day > timezone.localdate():
            raise ValidationError("This day has not come yet.")
        return day


@require_http_methods(["GET", "POST"])
def paper_consents(request: HttpRequest, patient_id: UUID) -> HttpResponse:
    """Show what a patient decided, newest first, and enter a decision from paper."""
    patient = patient_or_404(request, patient_id, MANAGE)
    user = require(request, MANAGE, patient)
    if user.own_patient_id == patient.pk:  # patients decide on their own page; paper is what others witness
        raise NotFound
    record_access(user=user, patient=patient, what="consents")
    form = PaperForm(request.POST or None)
    problem = ""
    if request.method == "POST":
        problem = "Fill in what is marked."
        if form.is_valid():
            try:
                _enter(patient, user, form)
            except DomainError as error:
                problem = error.message
            else:
                messages.success(request, "Entered. It holds at once, and the patient reads that you entered it.")
                return HttpResponseRedirect(request.path)
    context = {
        "patient": patient,
        "form": form,
        "problem": problem,
        "uses": [
            (TERMS[use], decision.given if decision else TERMS[use].default, decision)
            for use, decision in decisions_of(patient).items()
        ],
        "history": [(row, TERMS[row.purpose].title) for row in consent_history(patient)[:SHOWN]],  # type: ignore[index]
        "version": TEXT_VERSION,
    }
    with timezone.override(ZoneInfo(patient.time_zone)):
        return render(request, "compliance/consents.html", context, status=400 if problem else 200)


def _enter(patient: Patient, user: User, form: PaperForm) -> None:
    said = form.cleaned_data
    decide_consent(
        patient=patient,
        purpose=said["purpose"],
        given=said["given"] == "yes",
        user=user,
        how=How.PAPER,
        text_version=TEXT_VERSION,
        now=timezone.now(),
        signed_on=said["signed_on"],
        reference=said["reference"],
    )
