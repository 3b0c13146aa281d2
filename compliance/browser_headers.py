"""What every answer tells a browser, beyond what Django and django-csp say: nothing here needs a sensor of the machine,
and nothing here is for another site to embed."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

# Everything that a page of ours never asks of the machine. Passkeys, the clipboard for recovery codes and full screen
# for the viewer keep their default, which is this site alone.
DENIED = (
    "accelerometer", "autoplay", "camera", "display-capture", "encrypted-media", "geolocation",
    "gyroscope", "hid", "magnetometer", "microphone", "midi", "payment", "picture-in-picture", "serial", "usb",
    "xr-spatial-tracking",
)  # fmt: skip
PERMISSIONS = ", ".join(f"{name}=()" for name in DENIED)
Respond = Callable[[HttpRequest], HttpResponse]


class BrowserHeaders:
    """Adds Permissions-Policy and Cross-Origin-Resource-Policy; outside WhiteNoise, so that files carry them too."""

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on and say what its answer may do."""
        response = self.get_response(request)
        response.headers["Permissions-Policy"] = PERMISSIONS
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response
