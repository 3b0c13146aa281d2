"""What `manage.py serve_mqtt` says when it cannot start."""

from __future__ import annotations

import sys

import pytest
from django.core.management import CommandError, call_command


@pytest.mark.parametrize(
    ("url", "sentence"),
    [("", "MQTT_URL is not set"), ("http://broker", "must look like mqtts://"), ("mqtt://b/#", "no spaces")],
)
def test_broker_that_cannot_be_used_stops_the_start(settings, url: str, sentence: str) -> None:  # type: ignore[no-untyped-def]
    settings.MQTT_URL = url
    with pytest.raises(CommandError, match=sentence):
        call_command("serve_mqtt")


def test_absent_library_stops_the_start(settings, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    settings.MQTT_URL = "mqtt://broker"
    monkeypatch.setitem(sys.modules, "aiomqtt", None)
    with pytest.raises(CommandError, match="extra `mqtt`"):
        call_command("serve_mqtt")
