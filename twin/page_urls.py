"""Routes of the twin's own pages."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from twin.dashboard import routes as dashboard
from twin.views import (
    alerts,
    device_limits,
    evidence,
    limits,
    own_evidence,
    own_record,
    patient,
    timeline,
    ward,
    whatif,
)

app_name = "twin"
# The paths of the staff, below /me/: what a patient may open about the own record.
own: list[URLPattern | URLResolver] = [
    path("me/evidence/reading/<int:device_id>/<int:sequence>/", own_evidence.reading, name="own_reading_evidence"),
    path(
        "me/evidence/reading/<int:device_id>/<int:sequence>/proof/",
        own_evidence.reading_proof,
        name="own_reading_proof",
    ),
    path("me/evidence/alert/<int:alert_id>/", own_evidence.alert, name="own_alert_evidence"),
    path("me/evidence/dose/<int:dose_id>/", own_evidence.dose, name="own_dose_evidence"),
    path("me/evidence/intake/<int:intake_id>/", own_evidence.intake, name="own_intake_evidence"),
    path("me/evidence/risk/<int:dose_id>/", own_evidence.risk, name="own_risk_evidence"),
    path("me/evidence/forecast/", own_evidence.forecast, name="own_forecast_evidence"),
    path("me/evidence/study/<uuid:study_id>/", own_evidence.study, name="own_study_evidence"),
    path("me/evidence/series/<uuid:series_id>/", own_evidence.series, name="own_series_evidence"),
    path("me/evidence/image/<uuid:instance_id>/", own_evidence.image, name="own_image_evidence"),
    path("me/evidence/image/<uuid:instance_id>/proof/", own_evidence.image_proof, name="own_image_proof"),
    path("me/evidence/look/<int:look_id>/", own_evidence.look, name="own_look_evidence"),
    path("me/evidence/event/<int:event_id>/", own_evidence.event, name="own_event_evidence"),
    path("me/evidence/event/<int:event_id>/proof/", own_evidence.event_proof, name="own_event_proof"),
    path("me/evidence/counted/<slug:counted>/", own_evidence.counted, name="own_counted_evidence"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("", ward.board, name="ward"),
    path("me/", own_record.own_record, name="own_record"),
    path("ward/rows/", ward.board_rows, name="board_rows"),
    path("ward/rows/<uuid:patient_id>/", ward.board_row, name="board_row"),
    path("ward/strip/", ward.board_strip, name="board_strip"),
    path("ward/whole/", ward.board_whole, name="board_whole"),
    path("ward/sparks/", ward.board_sparks, name="board_sparks"),
    path("patients/<uuid:patient_id>/", patient.patient_page, name="patient"),
    path("patients/<uuid:patient_id>/history/", patient.patient_history, name="patient_history"),
    path("patients/<uuid:patient_id>/panels/devices/", patient.devices_panel, name="devices_panel"),
    path("patients/<uuid:patient_id>/panels/timeline/", patient.timeline_panel, name="timeline_panel"),
    path("patients/<uuid:patient_id>/panels/alerts/", alerts.alerts_panel, name="alerts_panel"),
    path("patients/<uuid:patient_id>/timeline/", timeline.patient_timeline, name="timeline"),
    path("patients/<uuid:patient_id>/timeline/picture/", timeline.patient_picture, name="timeline_picture"),
    path("devices/<int:device_id>/timeline/", timeline.device_timeline, name="device_timeline"),
    path("devices/<int:device_id>/timeline/picture/", timeline.device_picture, name="device_timeline_picture"),
    path("devices/<int:device_id>/limits/", device_limits.device_limits, name="device_limits"),
    path("patients/<uuid:patient_id>/limits/", limits.limits, name="limits"),
    path("patients/<uuid:patient_id>/what-if/", whatif.what_if, name="what_if"),
    path("patients/<uuid:patient_id>/what-if/run/", whatif.what_if_run, name="what_if_run"),
    path("alerts/", alerts.alert_list, name="alerts"),
    path("alerts/<int:alert_id>/", alerts.alert_detail, name="alert"),
    path("alerts/<int:alert_id>/acknowledge/", alerts.acknowledge, name="alert_acknowledge"),
    path("alerts/<int:alert_id>/snooze/", alerts.snooze, name="alert_snooze"),
    path("alerts/<int:alert_id>/resolve/", alerts.resolve, name="alert_resolve"),
    path("alerts/<int:alert_id>/reopen/", alerts.reopen, name="alert_reopen"),
    path("evidence/alert/<int:alert_id>/", evidence.alert, name="alert_evidence"),
    path("evidence/event/<int:event_id>/", evidence.event, name="event_evidence"),
    path("evidence/intake/<int:intake_id>/", evidence.intake, name="intake_evidence"),
    path("evidence/risk/<int:dose_id>/", evidence.risk, name="risk_evidence"),
    path("evidence/forecast/<uuid:patient_id>/", evidence.forecast, name="forecast_evidence"),
    path("evidence/near/<uuid:patient_id>/", evidence.near, name="near_evidence"),
    path("evidence/study/<uuid:study_id>/", evidence.study, name="study_evidence"),
    path("evidence/series/<uuid:series_id>/", evidence.series, name="series_evidence"),
    path("evidence/image/<uuid:instance_id>/", evidence.image, name="image_evidence"),
    path("evidence/image/<uuid:instance_id>/proof/", evidence.image_proof, name="image_proof"),
    path("evidence/dose/<int:dose_id>/", evidence.dose, name="dose_evidence"),
    path("evidence/doses/<uuid:patient_id>/", evidence.doses, name="doses_evidence"),
    path("evidence/figure/<slug:page>/", evidence.figure, name="figure_evidence"),
    path("evidence/energy/<int:device_id>/", evidence.energy, name="energy_evidence"),
    *own,
    *dashboard.urlpatterns,
]
