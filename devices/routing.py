"""Sockets of gateways."""

from __future__ import annotations

from django.urls import URLPattern

gateway_routes: list[URLPattern] = []
