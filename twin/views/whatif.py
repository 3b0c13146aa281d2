"""The what-if studio: the page, and the simulation behind its sliders."""

from __future__ import annotations

import json
import time
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from compliance.services.accesses import record_access
from compliance.services.rates import Limit
from compliance.views.access import patient_or_404, require
from compliance.views.marks import limited
from twin.selectors.observed import GlucoseMissing, observe
from twin.services.whatif import compare
from twin.whatif.futures import MEMBERS
from twin.whatif.scenario import HORIZON_MIN, KNOBS, ScenarioRefused, scenario_from

MAY = "twin.run_what_if"
RUNS = Limit("what-if", 120)  # dragging a slider asks a few times a second
LONGEST_BODY = 2000


@require_GET
def what_if(request: HttpRequest, patient_id: UUID) -> HttpResponse:
    """Show the studio for one patient."""
    require(request, MAY)
    patient = patient_or_404(request, patient_id, MAY)
    record_access(user=request.user, patient=patient, what="what_if")
    context = {"patient": patient, "knobs": KNOBS, "hours": HORIZON_MIN // 60, "members": MEMBERS}
    try:
        observe(patient, time.time())
    except GlucoseMissing as missing:  # nothing to fork: say so instead of drawing sliders that cannot answer
        context["missing"] = missing.message
    return render(request, "twin/whatif.html", context)


@limited(RUNS)
@require_POST
def what_if_run(request: HttpRequest, patient_id: UUID) -> JsonResponse:
    """Answer both futures. Body: JSON object of knob names and numbers; what is absent stays as it is."""
    user = require(request, MAY)
    patient = patient_or_404(request, patient_id, MAY)
    record_access(user=user, patient=patient, what="what_if", refreshing=True)
    return JsonResponse(compare(patient=patient, change=scenario_from(_body(request)), user=user))


def _body(request: HttpRequest) -> dict[str, object]:
    if len(request.body) > LONGEST_BODY:
        raise ScenarioRefused("That is too much for one scenario.")
    try:
        described = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise ScenarioRefused("The scenario could not be read.") from error
    if not isinstance(described, dict):
        raise ScenarioRefused("A scenario is an object of names and numbers.")
    return described
