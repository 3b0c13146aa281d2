"""Sockets of gateways."""

from __future__ import annotations

from django.urls import URLPattern, path

from devices.consumers import gateway_socket

gateway_routes: list[URLPattern] = [path("ws/gateway/", gateway_socket)]  # type: ignore[arg-type]
