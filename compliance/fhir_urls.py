"""Routes below /fhir/."""

from __future__ import annotations

from django.urls import URLPattern, path

from compliance.views import bulk, fhir, fhir_oauth

urlpatterns: list[URLPattern] = [
    path("", fhir.root, name="fhir_root"),
    path("metadata", fhir.metadata, name="fhir_metadata"),
    path("openapi.json", fhir.openapi, name="fhir_openapi"),
    path(".well-known/smart-configuration", fhir_oauth.smart_configuration, name="fhir_smart"),
    path("token", fhir_oauth.token, name="fhir_token"),
    path("introspect", fhir_oauth.introspect, name="fhir_introspect"),
    path("revoke", fhir_oauth.revoke, name="fhir_revoke"),
    path("$export", bulk.export_system, name="fhir_export"),
    path("Patient/$export", bulk.export_patients, name="fhir_export_patients"),
    path("Group/<str:group_id>/$export", bulk.export_group, name="fhir_export_group"),
    path("$export-status/<uuid:export_id>", bulk.export_status, name="fhir_export_status"),
    path("$export-status/<uuid:export_id>/<uuid:file_id>.ndjson", bulk.export_file, name="fhir_export_file"),
    path("<str:type_name>", fhir.resource_type, name="fhir_type"),
    path("<str:type_name>/_search", fhir.search_by_post, name="fhir_search"),
    path("<str:type_name>/_history", fhir.type_history, name="fhir_type_history"),
    path("<str:type_name>/<str:fhir_id>", fhir.instance, name="fhir_instance"),
    path("<str:type_name>/<str:fhir_id>/_history", fhir.history, name="fhir_history"),
    path("<str:type_name>/<str:fhir_id>/_history/<str:version_id>", fhir.version, name="fhir_version"),
    path("<path:rest>", fhir.nothing, name="fhir_nothing"),
]
