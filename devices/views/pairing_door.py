"""The machines' door of pairings: takes M1 or M3, answers M2 or M4. What a message proves stands in the message."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from compliance.errors import DomainError
from compliance.models import EventCategory
from compliance.services.events import record_error
from compliance.views.marks import public
from devices.errors import ClockSkewed, PairingMalformed
from devices.pairing.messages import MAX_MESSAGE_BYTES
from devices.services import pairing


@public
@csrf_exempt
@require_POST
def pair(request: HttpRequest) -> HttpResponse:
    """Answer one message of a pairing."""
    try:
        message = request.read(MAX_MESSAGE_BYTES + 1)
        if len(message) > MAX_MESSAGE_BYTES:
            raise PairingMalformed
        reply = pairing.answer(message)
    except (PairingMalformed, ClockSkewed) as error:
        record_error(error, category=EventCategory.SECURITY)
        return _refusal(error)
    except DomainError as error:  # recorded where it was found
        return _refusal(error)
    return HttpResponse(reply, content_type="application/octet-stream", headers={"Cache-Control": "no-store"})


def _refusal(error: DomainError) -> HttpResponse:
    return JsonResponse({"error": error.code, "message": error.message}, status=error.http_status)
