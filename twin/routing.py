"""Sockets of browsers."""

from __future__ import annotations

from django.urls import URLPattern

browser_routes: list[URLPattern] = []
