"""Routes of the twin's own pages."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from twin.dashboard import routes as dashboard
from twin.views import alerts, limits, patient, ward, whatif

app_name = "twin"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", ward.board, name="ward"),
    path("ward/rows/", ward.board_rows, name="board_rows"),
    path("ward/rows/<uuid:patient_id>/", ward.board_row, name="board_row"),
    path("ward/strip/", ward.board_strip, name="board_strip"),
    path("ward/sparks/", ward.board_sparks, name="board_sparks"),
    path("patients/<uuid:patient_id>/", patient.patient_page, name="patient"),
    path("patients/<uuid:patient_id>/history/", patient.patient_history, name="patient_history"),
    path("patients/<uuid:patient_id>/panels/devices/", patient.devices_panel, name="devices_panel"),
    path("patients/<uuid:patient_id>/panels/timeline/", patient.timeline_panel, name="timeline_panel"),
    path("patients/<uuid:patient_id>/panels/alerts/", alerts.alerts_panel, name="alerts_panel"),
    path("patients/<uuid:patient_id>/limits/", limits.limits, name="limits"),
    path("patients/<uuid:patient_id>/what-if/", whatif.what_if, name="what_if"),
    path("patients/<uuid:patient_id>/what-if/run/", whatif.what_if_run, name="what_if_run"),
    path("alerts/", alerts.alert_list, name="alerts"),
    path("alerts/<int:alert_id>/", alerts.alert_detail, name="alert"),
    path("alerts/<int:alert_id>/acknowledge/", alerts.acknowledge, name="alert_acknowledge"),
    path("alerts/<int:alert_id>/snooze/", alerts.snooze, name="alert_snooze"),
    path("alerts/<int:alert_id>/resolve/", alerts.resolve, name="alert_resolve"),
    path("alerts/<int:alert_id>/reopen/", alerts.reopen, name="alert_reopen"),
    *dashboard.urlpatterns,
]
