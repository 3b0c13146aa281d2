"""Where the Dash pages live."""

from __future__ import annotations

from django.urls import URLPattern, path

from twin.dashboard.mount import HouseDash, dash_view
from twin.dashboard.pages import PAGES
from twin.dashboard.suites import suite


def _routes(page: HouseDash) -> list[URLPattern]:
    view = dash_view(page)
    return [
        path(f"analytics/{page.slug}/", view, name=f"analytics_{page.slug}"),
        path(f"analytics/{page.slug}/<path:rest>", view, name=f"analytics_{page.slug}_dash"),
    ]


urlpatterns: list[URLPattern] = [
    path("analytics/assets/<str:package>/<path:name>", suite, name="dash_suite"),
    *(route for page in PAGES.values() for route in _routes(page)),
]
