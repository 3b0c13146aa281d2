"""Admitting a patient, and moving one to another ward or bed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from compliance.errors import DomainError
from compliance.models import EventCategory, User, Ward
from compliance.models.people import Sex
from compliance.selectors import scope_for
from compliance.services.accesses import record_access
from compliance.services.events import record_error
from compliance.services.patients import LONGEST, MOST_BED, WEIGHT_KG, Admission, admit_patient, move_patient
from compliance.views.access import patient_or_404, require

ADMIT = "compliance.admit_patient"
UNITS = {"weight_kg": "kg"}


class PlaceForm(forms.Form):
    """Where a patient lies: a ward on which whoever asks works, and a bed."""

    ward = forms.ModelChoiceField(Ward.objects.none(), label="Ward", empty_label=None)
    bed = forms.CharField(label="Bed", max_length=MOST_BED, required=False)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        wards = Ward.objects.filter(pk__in=scope_for(user, ADMIT).ward_ids).order_by("name")
        self.fields["ward"] = forms.ModelChoiceField(wards, label="Ward", empty_label=None)


class AdmissionForm(PlaceForm):
    """Who comes in."""

    field_order = ("medical_record_number", "given_name", "family_name", "birth_date", "sex", "weight_kg")

    medical_record_number = forms.CharField(label="Record number", max_length=LONGEST["medical_record_number"])
    given_name = forms.CharField(label="Given name", max_length=LONGEST["given_name"])
    family_name = forms.CharField(label="Family name", max_length=LONGEST["family_name"])
    birth_date = forms.DateField(label="Date of birth", widget=forms.DateInput(attrs={"type": "date"}))
    sex = forms.ChoiceField(label="Sex", choices=Sex.choices, initial=Sex.UNKNOWN)
    weight_kg = forms.FloatField(
        label="Weight", required=False, min_value=WEIGHT_KG[0], max_value=WEIGHT_KG[1], help_text="If it is known."
    )
    conditions = forms.CharField(
        label="Conditions", max_length=200, required=False, help_text="One line for the ward board."
    )


@require_http_methods(["GET", "POST"])
def admit(request: HttpRequest) -> HttpResponse:
    """Ask who comes in (GET), and make the record (POST)."""
    user = require(request, ADMIT)
    form = AdmissionForm(request.POST or None, user=user)
    problem = ""
    if request.method == "POST" and form.is_valid():
        said = dict(form.cleaned_data)
        ward = said.pop("ward")
        try:
            made = admit_patient(
                ward=ward, admission=Admission(**said, time_zone=str(settings.HOUSE_TIME_ZONE)), by=user
            )
        except DomainError as error:
            record_error(error, category=EventCategory.OPERATION, user=user, ward_id=ward.pk)
            problem = error.message
        else:
            messages.success(request, f"{made.name} is admitted to {ward.name}.")
            return HttpResponseRedirect(f"/patients/{made.pk}/")
    context = {"form": form, "problem": problem, "units": UNITS}
    return render(request, "compliance/patient_admit.html", context, status=400 if problem or form.errors else 200)


@require_http_methods(["GET", "POST"])
def move(request: HttpRequest, patient_id: UUID) -> HttpResponse:
    """Ask where a patient goes (GET), and write it down (POST)."""
    patient = patient_or_404(request, patient_id, ADMIT)
    user = require(request, ADMIT, patient)
    record_access(user=user, patient=patient, what="place")
    form = PlaceForm(request.POST or None, user=user, initial={"ward": patient.ward_id, "bed": patient.bed})
    if request.method == "POST" and form.is_valid():
        moved = move_patient(patient=patient, by=user, **form.cleaned_data)
        messages.success(request, f"{moved.name} lies on {moved.ward.name} now.")
        return HttpResponseRedirect(f"/patients/{moved.pk}/")
    context = {"form": form, "patient": patient}
    return render(request, "compliance/patient_move.html", context, status=400 if form.errors else 200)
