"""What proves a number: a panel that opens where the number stands, a page of its own, and a bundle to take away."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from compliance.selectors.corrections import evidence_notes
from compliance.services.accesses import record_access
from compliance.services.rates import Limit
from compliance.views.access import signed_in
from compliance.views.marks import limited
from devices.evidence.anatomy import nonce_of, parts_of
from devices.evidence.bundle import bundle_of
from devices.evidence.outcome import Outcome
from devices.selectors.evidence import ReadingEvidence, reading_for, waveform_for
from devices.services.telemetry import store

BUNDLES = Limit("bundles", 120)  # a bundle leaves the house
HEADLINES = {
    Outcome.HOLDS: "Verified",
    Outcome.WAITING: "Holds so far",
    Outcome.MISSING: "Not complete",
    Outcome.BROKEN: "Do not rely on this value",
}


@require_GET
def reading_evidence(request: HttpRequest, device_id: int, sequence: int) -> HttpResponse:
    """Show what was measured, how it came, and whether each link from it to the log holds."""
    return show_reading(request, device_id, sequence)


def show_reading(
    request: HttpRequest, device_id: int, sequence: int, lead: str = "", facts: Sequence[object] = ()
) -> HttpResponse:
    """Answer the evidence of a reading; `lead` is a sentence before everything else.

    facts: what else is to be said of it, each with `name`, `value` and `link`.
    """
    found = reading_for(signed_in(request), store(), device_id, sequence)
    record_access(user=signed_in(request), patient=found.patient, what="evidence")
    frame = found.facts.frame
    context = {
        "lead": lead,
        "facts": facts,
        "found": found,
        "headline": HEADLINES[found.verdict],
        "parts": parts_of(frame) if frame else [],
        "disputes": evidence_notes(signed_in(request), found.patient),
        "nonce": nonce_of(frame) if frame else "",
    }
    return render(request, page_or_panel(request, "devices/_reading_evidence.html"), context)


@limited(BUNDLES)
@require_GET
def reading_bundle(request: HttpRequest, device_id: int, sequence: int) -> HttpResponse:
    """Answer the proof as a file that an outsider can check. It holds the sealed frame and no key."""
    found = reading_for(signed_in(request), store(), device_id, sequence)
    record_access(user=signed_in(request), patient=found.patient, what="evidence_bundle")
    answer = JsonResponse(_bundle(found), json_dumps_params={"indent": 1})
    answer["Content-Disposition"] = f'attachment; filename="reading-{device_id}-{sequence}.json"'
    return answer


@require_GET
def waveform_evidence(request: HttpRequest, device_id: int, sequence: int) -> HttpResponse:
    """Show what proves a block of a waveform: its samples, sealed again, give the frame that came."""
    found = waveform_for(signed_in(request), store(), device_id, sequence)
    record_access(user=signed_in(request), patient=found.patient, what="evidence")
    frame = found.rebuilt.frame if found.rebuilt.same else None
    context = {"found": found, "headline": HEADLINES[found.verdict], "parts": parts_of(frame) if frame else []}
    context["disputes"] = evidence_notes(signed_in(request), found.patient)
    return render(request, page_or_panel(request, "devices/_waveform_evidence.html"), context)


def page_or_panel(request: HttpRequest, panel: str) -> str:
    """Return the panel's template for htmx, else the page around it, to which `panel` is named."""
    request.evidence_panel = panel  # type: ignore[attr-defined]
    return panel if request.headers.get("HX-Request") == "true" else "evidence.html"


def _bundle(found: ReadingEvidence) -> dict[str, object]:
    return bundle_of(found.facts, value=found.value, unit=found.unit)
