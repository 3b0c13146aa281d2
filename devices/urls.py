"""Routes of the devices package."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from devices.views import (
    devices,
    energy,
    evidence,
    gateways,
    hl7,
    moving,
    pairing,
    pairing_door,
    provisioning,
    register,
    rules,
    settings,
    wearer,
)

app_name = "devices"
urlpatterns: list[URLPattern | URLResolver] = [
    path("devices/", devices.device_list, name="devices"),
    path("devices/new/", register.new_device, name="device_new"),
    path("devices/import/", provisioning.import_sheet, name="import"),
    path("devices/import/list/", provisioning.import_list, name="import_list"),
    path("devices/gateways/new/", register.new_gateway, name="gateway_new"),
    path("devices/<int:device_id>/", devices.device_page, name="device"),
    path("devices/<int:device_id>/energy/", energy.device_energy, name="device_energy"),
    path("devices/<int:device_id>/state/<slug:state>/", devices.device_state, name="device_state"),
    path("devices/gateways/<int:gateway_id>/", gateways.gateway_page, name="gateway"),
    path("devices/gateways/<int:gateway_id>/approve/", gateways.approve, name="gateway_approve"),
    path("devices/gateways/<int:gateway_id>/state/<slug:state>/", gateways.gateway_state, name="gateway_state"),
    path("evidence/reading/<int:device_id>/<int:sequence>/", evidence.reading_evidence, name="reading_evidence"),
    path("evidence/reading/<int:device_id>/<int:sequence>/proof/", evidence.reading_bundle, name="reading_bundle"),
    path("evidence/waveform/<int:device_id>/<int:sequence>/", evidence.waveform_evidence, name="waveform_evidence"),
    path("devices/<int:device_id>/settings/", settings.device_settings, name="device_settings"),
    path("devices/<int:device_id>/rules/", rules.device_rules, name="device_rules"),
    path("devices/<int:device_id>/move/", moving.move, name="device_move"),
    path("devices/<int:device_id>/wearer/", wearer.device_wearer, name="device_wearer"),
    path("devices/gateways/<int:gateway_id>/pairing/", pairing.pair_gateway, name="gateway_pairing"),
    path("devices/<int:device_id>/pairing/", pairing.pair_device, name="device_pairing"),
    path("devices/pairings/<int:pairing_id>/", pairing.pairing_state, name="pairing_state"),
    path("devices/certificates/<int:certificate_id>/revoke/", pairing.revoke_certificate, name="certificate_revoke"),
    path("pair/", pairing_door.pair, name="pair"),
    path("hl7/", hl7.destination_list, name="hl7"),
    path("hl7/new/", hl7.new_destination, name="hl7_new"),
    path("hl7/<int:destination_id>/", hl7.destination_page, name="hl7_destination"),
    path("hl7/<int:destination_id>/edit/", hl7.edit_destination, name="hl7_edit"),
    path("hl7/<int:destination_id>/<slug:act>/", hl7.change_destination, name="hl7_change"),
    path("hl7/messages/<int:message_id>/resend/", hl7.resend_message, name="hl7_resend"),
]
