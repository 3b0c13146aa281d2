"""Routes of the imaging package."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from imaging.views import studies, uploads

app_name = "imaging"
urlpatterns: list[URLPattern | URLResolver] = [
    path("imaging/", studies.worklist, name="worklist"),
    path("imaging/studies/<uuid:study_id>/", studies.viewer, name="viewer"),
    path("imaging/studies/<uuid:study_id>/progress/", studies.progress, name="progress"),
    path("imaging/studies/<uuid:study_id>/reconstruct/", studies.reconstruct, name="reconstruct"),
    path("imaging/studies/<uuid:study_id>/pixels/<uuid:instance_id>/", studies.pixels, name="pixels"),
    path("imaging/studies/<uuid:study_id>/thumbnails/<uuid:series_id>/", studies.thumbnail, name="thumbnail"),
    path("patients/<uuid:patient_id>/panels/images/", studies.panel, name="panel"),
    path("imaging/uploads/", uploads.begin, name="upload_begin"),
    path("imaging/uploads/<uuid:study>/", uploads.missing, name="upload_missing"),
    path("imaging/uploads/<uuid:study>/chunks/<int:index>/", uploads.chunk, name="upload_chunk"),
    path("imaging/uploads/<uuid:study>/complete/", uploads.complete, name="upload_complete"),
]
