"""Routes of the devices package."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

app_name = "devices"
urlpatterns: list[URLPattern | URLResolver] = []
