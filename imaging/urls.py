"""Routes of the imaging package."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

app_name = "imaging"
urlpatterns: list[URLPattern | URLResolver] = []
