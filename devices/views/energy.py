"""A device's energy: what it sends with, what else it could send with, and what that would change."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from compliance.services.accesses import record_access
from compliance.views.access import require, visible_or_404
from devices.energy.battery import DAY_S
from devices.energy.choice import Believed, Choice, Sent, Wish, as_sent, choose, most_hold_s
from devices.energy.cost import SEAL_BYTES
from devices.energy.cpu import CIPHERS, CLOCK_HZ, seal_cycles
from devices.energy.duty import Duty
from devices.energy.links import LINKS
from devices.energy.words import duration, energy
from devices.forms import DutyForm
from devices.kinds.belief import believed_s
from devices.kinds.measurement import DeviceKind, Form
from devices.kinds.registry import KINDS
from devices.models import DesiredSettings, Device
from devices.protocol.suites import Suite
from devices.selectors import VIEW, devices_for, kinds_behind, sending_of

MOST_AGE_S = 60.0
USUAL_LIFE_S = 30 * DAY_S  # what a charge is to last where the kind says nothing
MAINS = "on the mains"
POLLED_S = (10.0, 60.0, 300.0)  # answered of each device, without being asked


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


@dataclass(frozen=True, slots=True)
class Poll:
    """What polling the device less often would do; all words. sent: what a gateway would make of it, "" for the same.

    delay: how late a crossed limit is known at worst; grows: how much later than now.
    """

    asked: str
    sent: str
    lasts: str
    delay: str
    grows: str


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
        believed = _believed(device)
        asked = form.duty(now.metrics) if form.is_bound and form.is_valid() else now
        sent = as_sent(asked, believed)
        context |= {"form": form, "now": now, "then": sent.duty, "shortened": sent.shortened}
        context |= {"polls": _polls(kind, now, believed), **_answers(kind, now, asked, sent, believed)}
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


def _believed(device: Device) -> Believed:
    return Believed(believed_s([device.kind]), believed_s(kinds_behind(device.gateway_id)))


def _answers(kind: DeviceKind, now: Duty, asked: Duty, sent: Sent, believed: Believed) -> dict[str, object]:
    then = sent.duty
    return {
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
        "now_lasts": _lasts(kind, now),
        "then_lasts": _lasts(kind, then),
        "in_words": in_words(asked, sent, _lasts(kind, then), then.worst_delay_s - now.worst_delay_s),
        "choice": _chosen(kind, now, believed),
        "sources": [(suite.facts.label, CIPHERS[suite].source) for suite in Suite],
    }


def in_words(asked: Duty, sent: Sent, lasts: str, delay_grows_s: float) -> str:
    """Return the answer in one sentence. lasts: how long a charge does, or that none is needed."""
    then = sent.duty
    if sent.shortened:
        wish = (
            f"Asked for every {duration(asked.period_s)} and {asked.batch} at a time, its gateway would hear it every "
        )
        told = f"{wish}{duration(then.period_s)} and send {then.batch} at a time: "
    else:
        told = f"If it measures every {duration(then.period_s)} and sends {then.batch} at a time, "
    charge = "it hangs on the mains" if lasts == MAINS else f"a charge lasts {lasts}"
    return f"{told}{charge}, and a crossed limit is known {_later(delay_grows_s)}."


def _later(delay_grows_s: float) -> str:
    if abs(delay_grows_s) < 1.0:
        return "no later than now"
    return f"up to {duration(abs(delay_grows_s))} {'later' if delay_grows_s > 0 else 'sooner'}"


def _polls(kind: DeviceKind, now: Duty, believed: Believed) -> list[Poll]:
    """Return what each period of `POLLED_S` above the present one would do, after the present one."""
    found = [Poll(f"{duration(now.period_s)}, now", "", _lasts(kind, now), duration(now.worst_delay_s), "–")]
    for period_s in POLLED_S:
        if period_s <= now.period_s:
            continue
        sent = as_sent(replace(now, period_s=period_s), believed)
        then = sent.duty
        found.append(
            Poll(
                duration(period_s),
                f"every {duration(then.period_s)}" if sent.shortened else "",
                _lasts(kind, then),
                duration(then.worst_delay_s),
                _later(then.worst_delay_s - now.worst_delay_s),
            )
        )
    return found


def _chosen(kind: DeviceKind, now: Duty, believed: Believed) -> Choice | None:
    if kind.power is None:
        return None
    hold_s = most_hold_s(believed.gateway)
    wish = Wish(most_age_s=min(MOST_AGE_S, hold_s), life_s=kind.made_for_s or USUAL_LIFE_S)
    choice = choose(now, kind.power, 1.0, wish)
    if hold_s >= MOST_AGE_S:
        return choice
    bound = f"No reading waits longer than {duration(hold_s)}: the ward believes it for {duration(believed.gateway)}."
    return replace(choice, why=(*choice.why, bound))


def _lasts(kind: DeviceKind, duty: Duty) -> str:
    return duration(kind.power.life_s(duty.power_w)) if kind.power else MAINS


def _row(label: str, duty: Duty, kind: DeviceKind, then: Duty) -> Row:
    suite = duty.suite
    each_us = 1e6 * seal_cycles(duty.payload_bytes, SEAL_BYTES - 16, suite) / CLOCK_HZ if suite else 0.0
    return Row(
        label=label,
        each_us=f"{each_us:,.0f}",
        frame_bytes=round(duty.payload_bytes + (SEAL_BYTES if suite else 0)),
        each_energy=energy(duty.cost().total_j),
        day_energy=energy(duty.joules_per_day),
        lasts=_lasts(kind, duty),
        now=duty == then,
    )
