"""Is this process able to serve? For load balancers and the launcher."""

from __future__ import annotations

from django.db import connection
from django.http import HttpRequest, JsonResponse

from compliance.middleware import public


@public
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 when the database answers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})
