"""A device's energy: what it sends with, what else it could send with, and what that would change."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from compliance.services.accesses import record_access
from compliance.views.access import require, visible_or_404
from devices.energy.battery import DAY_S
from devices.energy.choice import Choice, Wish, choose, compare
from devices.energy.cost import SEAL_BYTES
from devices.energy.cpu import CIPHERS, CLOCK_HZ, seal_cycles
from devices.energy.duty import Duty
from devices.energy.links import LINKS
from devices.energy.words import duration, energy
from devices.forms import DutyForm
from devices.kinds.measurement import DeviceKind, Form
from devices.kinds.registry import KINDS
from devices.models import DesiredSettings, Device
from devices.protocol.suites import Suite
from devices.selectors import VIEW, devices_for, sending_of

MOST_AGE_S = 60.0
USUAL_LIFE_S = 30 * DAY_S  # what a charge is to last where the kind says nothing


@dataclass(frozen=True, slots=True)
class Row:
    """One way of sending beside others; all words. now: it is the present one."""

    label: str
    each_us: str
    frame_bytes: int
    each_energy: str
    day_energy: str
    lasts: str
    now: bool


@require_GET
def device_energy(request: HttpRequest, device_id: int) -> HttpResponse:
    """Show what a way of sending costs in joules, battery and delay; htmx asks for the answer alone."""
    user = require(request, VIEW)
    device = visible_or_404(devices_for(user), pk=device_id)
    record_access(user=user, patient=device.patient, what="device")
    kind = KINDS.get(device.kind)
    now = duty_now(device, kind) if kind else None
    context: dict[str, object] = {"device": device, "kind": kind, "sending": sending_of(device)}
    if kind and now:
        form = DutyForm(request.GET or None, initial=_initial(now))
        then = form.duty(now.metrics) if form.is_bound and form.is_valid() else now
        context |= {"form": form, "now": now, "then": then, **_answers(device, kind, now, then)}
    partial = request.headers.get("HX-Target") == "answer"
    return render(request, "devices/_energy_answer.html" if partial else "devices/energy.html", context)


def duty_now(device: Device, kind: DeviceKind) -> Duty | None:
    """Return how a device sends by its description; None for one that measures nothing regularly."""
    periods = [one.period_s for one in kind.measurements if one.period_s and one.kind is not Form.WAVEFORM]
    link = LINKS.get(device.link)
    if not periods or link is None:
        return None
    wished = DesiredSettings.objects.filter(device=device).first()
    fastest = max(min(periods), wished.every_s if wished else 0.0)
    together = sum(1 for period in periods if period <= 2 * fastest)
    return Duty(link, fastest, together, 1, Suite(device.suite), bool(wished and wished.deflate))


def _initial(now: Duty) -> dict[str, object]:
    return {
        "period_s": now.period_s,
        "batch": now.batch,
        "link": now.link.name,
        "suite": int(now.suite or 0),
        "deflated": now.deflated,
        "at_once": now.urgent_at_once,
    }


def _answers(device: Device, kind: DeviceKind, now: Duty, then: Duty) -> dict[str, object]:
    found: dict[str, object] = {
        "ciphers": [_row(suite.facts.label, replace(then, suite=suite), kind, then) for suite in Suite]
        + [_row("no seal", replace(then, suite=None), kind, then)],
        "links": [_row(link.label, replace(then, link=link), kind, then) for link in LINKS.values()],
        "now_day": energy(now.joules_per_day),
        "then_day": energy(then.joules_per_day),
        "now_worst": duration(now.worst_delay_s),
        "then_worst": duration(then.worst_delay_s),
        "now_mean": duration(now.mean_delay_s),
        "then_mean": duration(then.mean_delay_s),
        "now_age": duration(now.worst_age_s) if now.worst_age_s else "none",
        "then_age": duration(then.worst_age_s) if then.worst_age_s else "none",
        "sources": [(suite.facts.label, CIPHERS[suite].source) for suite in Suite],
    }
    if kind.power is not None:
        lasting = compare(now, then, kind.power)
        found |= {
            "now_lasts": duration(lasting.now_life_s),
            "then_lasts": duration(lasting.then_life_s),
            "in_words": in_words(then, lasting.then_life_s, lasting.delay_grows_s),
            "choice": _chosen(device, kind, now),
        }
    return found


def in_words(then: Duty, life_s: float, delay_grows_s: float) -> str:
    """Return the answer in one sentence."""
    every = f"If it measures every {duration(then.period_s)} and sends {then.batch} at a time, a charge lasts "
    if abs(delay_grows_s) < 1.0:
        return f"{every}{duration(life_s)}, and a crossed limit is known no later than now."
    later = "later" if delay_grows_s > 0 else "sooner"
    return f"{every}{duration(life_s)}, and a crossed limit is known up to {duration(abs(delay_grows_s))} {later}."


def _chosen(device: Device, kind: DeviceKind, now: Duty) -> Choice | None:
    if kind.power is None:
        return None
    return choose(now, kind.power, 1.0, Wish(most_age_s=MOST_AGE_S, life_s=kind.made_for_s or USUAL_LIFE_S))


def _row(label: str, duty: Duty, kind: DeviceKind, then: Duty) -> Row:
    suite = duty.suite
    each_us = 1e6 * seal_cycles(duty.payload_bytes, SEAL_BYTES - 16, suite) / CLOCK_HZ if suite else 0.0
    return Row(
        label=label,
        each_us=f"{each_us:,.0f}",
        frame_bytes=round(duty.payload_bytes + (SEAL_BYTES if suite else 0)),
        each_energy=energy(duty.cost().total_j),
        day_energy=energy(duty.joules_per_day),
        lasts=duration(kind.power.life_s(duty.power_w)) if kind.power else "on the mains",
        now=duty == then,
    )
