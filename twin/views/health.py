"""Does this process live, and can it serve? For load balancers, monitoring and the launcher.

Two questions, since they ask for two answers: one that does not live is restarted, one that is not ready gets no people
sent, and is left alone until the database is back.
"""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse

from compliance.views.marks import public
from twin.upkeep.readiness import readiness


@public
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200: the process lives. Asks nobody else."""
    return JsonResponse({"status": "alive"})


@public
def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 when pages can be served, else 503; `without` names what does not answer."""
    found = readiness()
    body = {"status": "ready" if found.ready else "not ready", "without": list(found.without)}
    return JsonResponse(body, status=200 if found.ready else 503)
