"""Django's handle on the package; upper packages connect to lower ones' signals here."""

from __future__ import annotations

from django.apps import AppConfig


class DevicesConfig(AppConfig):
    """The devices application."""

    name = "devices"
