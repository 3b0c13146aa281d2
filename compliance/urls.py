"""Routes of the compliance package."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from compliance.views import adherence

app_name = "compliance"
urlpatterns: list[URLPattern | URLResolver] = [
    path("patients/<uuid:patient_id>/adherence/", adherence.adherence_page, name="adherence"),
    path("patients/<uuid:patient_id>/panels/medication/", adherence.medication_panel, name="medication_panel"),
    path("doses/<int:dose_id>/taken/", adherence.enter_intake, name="enter_intake"),
    path("intakes/<int:intake_id>/withdraw/", adherence.undo_intake, name="undo_intake"),
]
