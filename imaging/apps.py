"""Django's handle on the package; upper packages connect to lower ones' signals here."""

from __future__ import annotations

from django.apps import AppConfig


class ImagingConfig(AppConfig):
    """The imaging application."""

    name = "imaging"
