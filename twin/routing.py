"""Sockets of browsers."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from twin.consumers import browser_socket, nowhere

browser_routes: list[URLPattern] = [
    path("ws/ward/", browser_socket),  # type: ignore[arg-type]
    path("ws/patient/<uuid:patient_id>/", browser_socket),  # type: ignore[arg-type]
    re_path(r"", nowhere),  # type: ignore[arg-type]
]
