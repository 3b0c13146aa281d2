"""What is wished of devices, what their gateways say that they do, and what goes into a gateway's welcome."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec
from django.db.models import Q, QuerySet

from devices.gateway.edge.wishes import rules_for
from devices.gateway.page.words import RULE_NAMES
from devices.models import DesiredSettings, Device, EdgeFact, Gateway
from devices.protocol.facts import FactKind
from devices.protocol.settings import DeviceSettings, GatewaySettings
from devices.protocol.suites import SUITES, Suite
from devices.selectors.suites import follows_ciphers


@dataclass(frozen=True, slots=True)
class Standing:
    """The wish for a device, beside what its gateway told of it. taken_at: None while it was not told yet."""

    wish: DesiredSettings
    taken_at: datetime | None

    @property
    def words(self) -> str:
        """How the device is told of, in words."""
        often = f"at most one value of each in {self.wish.every_s:g} s" if self.wish.every_s else "every value"
        return f"{often}{', deflated' if self.wish.deflate else ''}"


def standing_of(device: Device) -> Standing | None:
    """Return how a device's settings stand; None where nothing was ever wished."""
    wish = DesiredSettings.objects.filter(device=device).select_related("set_by").first()
    if wish is None:
        return None
    # By when it was received: a gateway whose clock was set back tells newer things at earlier times.
    told = _told(device).filter(rule="settings")
    newest = told.order_by("-received_at", "-pk").first()
    taken = newest is not None and newest.values.get("number", -1.0) >= wish.number
    return Standing(wish, newest.received_at if newest is not None and taken else None)


def _told(device: Device) -> QuerySet[EdgeFact]:
    """Return what its gateway of now told that it follows: each gateway numbers its settings apart."""
    by_it = Q(gateway=None) | Q(gateway=device.gateway_id)
    return EdgeFact.objects.filter(by_it, device=device, kind=FactKind.SET)


class Follows(StrEnum):
    """How what is wished stands."""

    OWN = "own"  # nothing is wished: the gateway's configuration counts
    WAITING = "waiting"  # it has not been told, or has not answered yet
    YES = "yes"
    REFUSED = "refused"  # it says why
    UNKNOWN = "unknown"  # it answered to the wish, and knows nothing of such a setting


@dataclass(frozen=True, slots=True)
class RuleStanding:
    """One rule of a gateway for a device: what is wished, and what the gateway said last that it runs."""

    name: str
    label: str
    follows: Follows
    told: EdgeFact | None


def rules_standing(device: Device) -> list[RuleStanding]:
    """Return how the gateway's rules stand for a device, in the order of the built-in ones."""
    wish = DesiredSettings.objects.filter(device=device).first()
    names = rules_for(device.kind)
    # The newest of each, and without its frame: each change at a gateway adds facts to every device it has.
    told = {fact.rule: fact for name in (*names, "settings") if (fact := _newest(device, name)) is not None}
    return [RuleStanding(name, RULE_NAMES[name], _follows(name, wish, told), told.get(name)) for name in names]


def _newest(device: Device, rule: str) -> EdgeFact | None:
    return _told(device).filter(rule=rule).defer("frame").order_by("-received_at", "-pk").first()


def _follows(name: str, wish: DesiredSettings | None, told: dict[str, EdgeFact]) -> Follows:
    if wish is None or wish.rules is None:
        return Follows.OWN

    def has_said(rule: str) -> bool:
        return rule in told and told[rule].values.get("number", -1.0) >= wish.number

    if has_said(name):
        refused = bool(told[name].values.get("refused"))
        return Follows.REFUSED if refused else Follows.YES if name in wish.rules else Follows.OWN
    return Follows.UNKNOWN if has_said("settings") else Follows.WAITING


@dataclass(frozen=True, slots=True)
class CipherStanding:
    """What seals a device's frames, and what is wished instead; None: nothing else is. why: it does not follow yet."""

    runs: str
    wished: str | None
    why: str


def cipher_standing(device: Device) -> CipherStanding:
    """Return how a device's cipher stands. What runs is sure: frames under any other are refused."""
    wish = DesiredSettings.objects.filter(device=device).exclude(suite=None).first()
    runs = Suite(device.suite).facts.label
    if wish is None or wish.suite == device.suite:
        return CipherStanding(runs, None, "")
    gateway = device.gateway
    greeted = gateway.connected_at is not None and gateway.connected_at > wish.set_at
    why = "it begins with the gateway's next greeting"
    if greeted and not follows_ciphers(gateway.software):
        why = f"its gateway ({gateway.software}) knows no such wish: renew its software, or pair the device anew"
    return CipherStanding(runs, Suite(wish.suite or 1).facts.label, why)


def wished_of(gateways: Iterable[Gateway]) -> dict[int, GatewaySettings]:
    """Return gateway id -> what is wished of its devices, for gateways of which anything ever was."""
    numbers = {one.pk: one.settings_number for one in gateways if one.settings_number}
    devices: dict[int, dict[int, DeviceSettings]] = defaultdict(dict)
    rows = DesiredSettings.objects.filter(device__gateway__in=numbers).select_related("device").order_by("device_id")
    for row in rows:
        devices[row.device.gateway_id][row.device_id] = _sent(row)
    return {gateway_id: GatewaySettings(number, devices[gateway_id]) for gateway_id, number in numbers.items()}


def _sent(row: DesiredSettings) -> DeviceSettings:
    """Return a wish as it is sent: with the cipher that the server takes from now on, whatever else was wished."""
    if row.suite is None:
        return row.wanted
    return msgspec.structs.replace(row.wanted, suite=SUITES[Suite(row.device.suite)].name)
