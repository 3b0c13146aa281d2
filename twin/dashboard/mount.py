"""Dash inside Django: a view calls Dash's own WSGI server in the request's thread.

Session, CSRF, policy, CSP and the ORM apply as on every page. Dash's index is drawn inside the house's frame; its
scripts come from one address for all three pages, so that the 4.8 MB of plotly.js are fetched once.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from dash import Dash
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

from compliance.errors import NotFound
from compliance.models import User
from compliance.services.rates import Limit
from compliance.views.access import require, signed_in
from compliance.views.marks import limited
from devices.kinds.registry import KINDS
from twin.dashboard.question import checked
from twin.selectors.analytics import PERIODS, Filters, wards_for

SUITES = "/analytics/assets/"
OWN_SUITES = "_dash-component-suites/"
ENDPOINTS = {"": "GET", "_dash-layout": "GET", "_dash-dependencies": "GET", "_dash-update-component": "POST"}
QUESTIONS = Limit("analytics", 600)  # a page asks once for its charts and again as they refresh
_request: ContextVar[HttpRequest] = ContextVar("dash_request")


def current_request() -> HttpRequest:
    """Return the Django request on whose behalf Dash is running."""
    return _request.get()


class HouseDash(Dash):
    """A Dash application that lives at `/analytics/<name>/`, behind the right `action`, in the house's frame."""

    do_not_call_in_templates = True  # a Dash is callable, and a template calls what it can

    def __init__(self, name: str, title: str, action: str, about: str, *, period: str, by_kind: bool = True) -> None:
        self.slug, self.action, self.about, self.period, self.by_kind = name, action, about, period, by_kind
        super().__init__(
            f"medtwin-{name}",
            url_base_pathname=f"/analytics/{name}/",
            title=title,
            update_title="",  # a title that flickers with every refresh helps nobody
            serve_locally=True,
            eager_loading=True,  # the index names plotly.js; the renderer would ask for it at each page's own address
            include_assets_files=False,
            csrf_token_name=settings.CSRF_COOKIE_NAME,
            use_async=False,
            enable_mcp=False,
            add_log_handler=False,
        )
        self.server.config["PROPAGATE_EXCEPTIONS"] = True  # Django's middleware answers and logs, as everywhere else

    def interpolate_index(self, **parts: str) -> str:  # type: ignore[override]  # called with names only
        """Draw Dash's entry, configuration and scripts inside our own page."""
        request = current_request()
        user = signed_in(request)
        shared = {name: text.replace(f"/analytics/{self.slug}/{OWN_SUITES}", SUITES) for name, text in parts.items()}
        context = {
            "page": self,
            # Dash escapes what it writes here; none of it comes from a request. It names plotly.js once for every
            # application in the process, and each script must run once.
            "entry": mark_safe(parts["app_entry"]),  # noqa: S308
            "config": mark_safe(shared["config"]),  # noqa: S308
            "scripts_html": mark_safe("\n".join(dict.fromkeys(shared["scripts"].split("\n")))),  # noqa: S308
            "renderer": mark_safe(parts["renderer"]),  # noqa: S308
            "filters": Filters.read(request.META.get("QUERY_STRING"), self.period),
            "periods": PERIODS.values(),
            "wards": wards_for(user, self.action),
            "kinds": KINDS.values() if self.by_kind else (),
        }
        return render_to_string("twin/analytics.html", context, request=request)


def dash_view(page: HouseDash) -> Callable[..., HttpResponse]:
    """Return the Django view of a Dash application: `path("analytics/x/<path:rest>", dash_view(x))`."""

    @limited(QUESTIONS)
    def view(request: HttpRequest, rest: str = "") -> HttpResponse:
        require(request, page.action)
        if ENDPOINTS.get(rest) != request.method:
            raise NotFound
        get_token(request)  # sets the cookie that Dash echoes in X-CSRFToken
        held = _request.set(request)
        try:
            response = _call(page, request)
        finally:
            _request.reset(held)
        if rest == "":
            # One inline script, named by its hash, starts the renderer. Nothing else is relaxed: what Dash's and
            # plotly's scripts do to styles goes through static/js/dash-nonce.js.
            response._csp_update = {"script-src": [*page.csp_hashes()]}  # type: ignore[attr-defined]
        return response

    return view


def _call(page: HouseDash, request: HttpRequest) -> HttpResponse:
    """Run Dash's WSGI application on this request and return its answer as Django's."""
    body = checked(request.body, page.callback_map) if request.method == "POST" else b""
    environ: dict[str, Any] = {key: value for key, value in request.META.items() if isinstance(value, str)}
    environ |= {
        "SCRIPT_NAME": "",
        "PATH_INFO": request.path.encode().decode("latin1"),
        "QUERY_STRING": request.META.get("QUERY_STRING", ""),
        "REQUEST_METHOD": request.method,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.url_scheme": request.scheme,
    }
    answer: dict[str, Any] = {}

    def start(status: str, headers: list[tuple[str, str]], _error: object = None) -> None:
        answer.update(status=int(status.split()[0]), headers=headers)

    content = b"".join(page.server.wsgi_app(environ, start))
    response = HttpResponse(content, status=answer["status"])
    for name, value in answer["headers"]:
        if name.lower() not in {"content-length", "set-cookie"}:
            response[name] = value
    response["Cache-Control"] = "no-store"
    return response


def person() -> User:
    """Return the user on whose behalf a callback runs."""
    return signed_in(current_request())
