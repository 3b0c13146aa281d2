"""Routes of the devices package."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from devices.views import devices

app_name = "devices"
urlpatterns: list[URLPattern | URLResolver] = [
    path("devices/", devices.device_list, name="devices"),
    path("devices/<int:device_id>/", devices.device_page, name="device"),
    path("devices/<int:device_id>/state/<slug:state>/", devices.device_state, name="device_state"),
]
