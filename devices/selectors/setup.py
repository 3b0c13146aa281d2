"""What is left to do before a new gateway or device is heard, in the order in which it is done."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.urls import reverse

from devices.models import Device, Gateway
from devices.selectors.attested import Attested


@dataclass(frozen=True, slots=True)
class Step:
    """One step. words: what it means. act, url: the button that leads to it, none where it comes by itself. line: what
    is typed on the gateway. next: the first that is not done."""

    name: str
    words: str
    done: bool
    act: str = ""
    url: str = ""
    line: str = ""
    next: bool = False


def gateway_setup(gateway: Gateway, standing: Attested, devices: int) -> list[Step]:
    """Return the steps of a gateway; none once all is done."""
    paired, heard = bool(gateway.public_key), gateway.last_seen_at is not None
    register = f"{reverse('devices:device_new')}?gateway={gateway.pk}"
    return _ordered(
        Step("Pair it", "It makes its key and gets a certificate.", paired, "Pair", _page("gateway_pairing", gateway)),
        Step("Register its devices", "Each with its serial number.", devices > 0, "Register a device", register),
        Step("Start it", "In its folder:", heard, line="python -m devices.gateway --config config.json"),
        Step(
            "Approve what it runs",
            "Then it connects with nothing else.",
            standing is not Attested.NEW and heard,
            "Approve" if standing is Attested.NEW else "",
            _page("gateway_approve", gateway) if standing is Attested.NEW else "",
        ),
    )


def device_setup(device: Device, heard: bool) -> list[Step]:
    """Return the steps of a device; none once it is heard: not every device is worn."""
    gateway = device.gateway
    if heard:
        return []
    return _ordered(
        Step(
            "Pair its gateway",
            f"{gateway.name} pairs for it.",
            bool(gateway.public_key),
            "Pair the gateway",
            _page("gateway_pairing", gateway),
        ),
        Step(
            "Pair it",
            "Its gateway then knows it. Not needed where its config.json names it.",
            bool(device.root_sealed),
            "Pair",
            _page("device_pairing", device),
        ),
        Step(
            "Say who wears it",
            "What it measures belongs to them from then on.",
            device.patient_id is not None,
            "Who wears it",
            _page("device_wearer", device),
        ),
        Step("Hear it", "Its gateway, started again, sends what it measures.", done=False),
    )


def _ordered(*steps: Step) -> list[Step]:
    """Mark the first step that is to do; nothing where none is."""
    left = next((index for index, step in enumerate(steps) if not step.done), None)
    if left is None:
        return []
    return [replace(step, next=index == left) for index, step in enumerate(steps)]


def _page(name: str, owner: Gateway | Device) -> str:
    return reverse(f"devices:{name}", args=[owner.pk])
