"""Routes of the twin's own pages."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

app_name = "twin"
urlpatterns: list[URLPattern | URLResolver] = []
