"""Dash's own JavaScript, compressed once and kept by browsers for a year: plotly.js is 4.8 MB, 1.4 MB on the wire."""

from __future__ import annotations

import gzip
import mimetypes
import pkgutil
import re
from functools import lru_cache

from dash.fingerprint import check_fingerprint
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from compliance.errors import NotFound
from compliance.views.access import require
from twin.dashboard.pages import PAGES

YEAR_S = 31_536_000


def suite(request: HttpRequest, package: str, name: str) -> HttpResponse:
    """Serve one file of a Dash package, if a page of ours names it or a script that it names can ask for it."""
    require(request, "twin.view_analytics")
    plain_name, fingerprinted = check_fingerprint(name)  # type: ignore[no-untyped-call]
    found = _load(package, plain_name)
    if found is None:
        raise NotFound
    plain, packed = found
    squeeze = re.search(r"\bgzip\b", request.headers.get("Accept-Encoding", "")) is not None
    response = HttpResponse(
        packed if squeeze else plain, content_type=mimetypes.guess_type(plain_name)[0] or "application/octet-stream"
    )
    if squeeze:
        response["Content-Encoding"] = "gzip"
    patch_vary_headers(response, ["Accept-Encoding"])
    age = f"max-age={YEAR_S}, immutable" if fingerprinted else "max-age=3600"
    response["Cache-Control"] = f"private, {age}"
    return response


@lru_cache(maxsize=64)
def _load(package: str, name: str) -> tuple[bytes, bytes] | None:
    """Return a registered file as it is and compressed, or None for what Dash did not register."""
    if name not in _registered().get(package, ()):
        return None
    data = pkgutil.get_data(package, name)
    return None if data is None else (data, gzip.compress(data, 9, mtime=0))


@lru_cache(maxsize=1)
def _registered() -> dict[str, set[str]]:
    """Return what the pages' scripts may fetch: the paths that Dash registered while it wrote its index."""
    found: dict[str, set[str]] = {}
    for page in PAGES.values():
        page._setup_server()  # type: ignore[no-untyped-call]  # what the first request would do; this process may never see one for the index
        for package, names in page.registered_paths.items():
            found.setdefault(package, set()).update(names)
    return found
