"""All routes: the composition of the four packages."""

from __future__ import annotations

from django.urls import include, path

from twin.views.health import healthz, ready

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("healthz/ready", ready, name="ready"),
    path("account/", include("compliance.account_urls")),
    path("", include("compliance.urls")),
    path("", include("devices.urls")),
    path("", include("imaging.urls")),
    path("", include("twin.page_urls")),
]
