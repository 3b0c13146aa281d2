"""Two versions of the policy beside each other: what the rules say differently, and every decision that turns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from compliance.copies.archive import inert
from compliance.errors import NotFound, PolicyInvalid
from compliance.models import EventCategory, User, Ward
from compliance.policy import ACTIONS, Decision, Role
from compliance.policy.comparing import differences_of
from compliance.selectors import scope_for
from compliance.selectors.effects import HOUSE, WARD, Change, Effects, Turn, Wanted, effects
from compliance.selectors.named import Named, titled
from compliance.services.accesses import record_list_access
from compliance.services.events import record_event
from compliance.services.rates import Limit
from compliance.views.access import require
from compliance.views.marks import limited
from compliance.views.policy import MANAGE, SIMULATE
from compliance.views.policy_texts import DRAFT, Side, changed_lines, side_of, sides
from compliance.views.step_up import require_fresh

PAGE = 50
MOST_ROWS = 100_000  # of a file
COMPARISONS = Limit("policy_comparisons", 120)  # each asks about everybody and everything
TURNS = {
    Turn.GAINS: "gains",
    Turn.LOSES: "loses",
    Turn.LOCKED: "waits for a second factor",
    Turn.UNLOCKED: "waits no longer",
}
COUNTED = {
    Turn.GAINS: "gained",
    Turn.LOSES: "lost",
    Turn.LOCKED: "to wait for a second factor",
    Turn.UNLOCKED: "to wait no longer",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One change, with the thing that it is about named."""

    change: Change
    title: str
    whose: str
    ward: str

    @property
    def turn(self) -> str:
        """Return in words what happens."""
        return TURNS[self.change.turn]


@require_GET
@limited(COMPARISONS)
def compare(request: HttpRequest) -> HttpResponse:
    """Compare `?left=` and `?right=` (a version's number, 0 for the house's own, `draft`), filtered and paged."""
    user = require(request, MANAGE)
    left, right = _pair(request)
    scope, wanted = scope_for(user, SIMULATE), _wanted(request)
    context: dict[str, object] = {"left": left, "right": right, "sides": sides(request), "draft": DRAFT}
    try:
        before, after = left.policy(), right.policy()
    except PolicyInvalid as error:
        context["problem"] = error.message
        return render(request, "compliance/policy_compare.html", context, status=400)
    everything = effects(before, after, timezone.now())
    inside = everything.within(scope, Wanted())
    found = inside.within(scope, wanted)
    page = Paginator(range(len(found)), PAGE).get_page(request.GET.get("page"))
    rows = _named(user, found, page.start_index() - 1, page.end_index()) if len(found) else []
    chosen = {"left": left.key, "right": right.key}
    context |= {
        "page": page, "rows": rows, "total": len(inside), "count": len(found), "counts": _counts(found),
        "elsewhere": len(everything) - len(inside), "said": differences_of(before, after),
        "lines": changed_lines(left.text, right.text), "wanted": wanted, "filtered": wanted != Wanted(),
        "roles": [role for role in Role if role is not Role.NONE], "actions": ACTIONS, "turns": TURNS,
        "wards": Ward.objects.filter(pk__in=scope.ward_ids).order_by("name"), "most": MOST_ROWS,
        "pair": urlencode(chosen), "query": urlencode({**chosen, **_kept(wanted)}),
    }  # fmt: skip
    return render(request, "compliance/policy_compare.html", context)


@require_GET
@limited(COMPARISONS)
def compare_file(request: HttpRequest) -> HttpResponse:
    """Send the same as CSV, the first 100,000 rows at most: an export, after a fresh second factor; it is an event.

    Raises PolicyInvalid for a version that cannot be read.
    """
    user = require(request, MANAGE)
    require_fresh(request)
    left, right = _pair(request)
    found = effects(left.policy(), right.policy(), timezone.now()).within(scope_for(user, SIMULATE), _wanted(request))
    people = {found.things[number].resource.patient_id for group in found.groups for number in group.things}
    record_list_access(user=user, patients=people, what="policy")
    record_event(
        category=EventCategory.SECURITY,
        code="policy_comparison_exported",
        message="A comparison of two versions of the policy left the house.",
        user=user,
        detail={"left": left.key, "right": right.key, "rows": min(len(found), MOST_ROWS)},
    )
    response = HttpResponse("".join(_lines(found)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="policy-{left.key}-to-{right.key}.csv"'
    return response


def _pair(request: HttpRequest) -> tuple[Side, Side]:
    """Return both sides; without a choice what decides now, and the draft or what was put down last."""
    offered = sides(request)
    active = next(side for side in offered if side.active)
    other = next((side for side in offered if not side.active), active)
    left, right = request.GET.get("left", active.key), request.GET.get("right", other.key)
    found = side_of(request, left), side_of(request, right)
    if found[0] is None or found[1] is None:
        raise NotFound
    return found[0], found[1]


def _wanted(request: HttpRequest) -> Wanted:
    """Return the filters; what is not known is no filter."""
    asked = {name: request.GET.get(name, "") for name in ("turn", "role", "action", "ward")}
    ward = asked["ward"]
    return Wanted(
        turn=asked["turn"] if asked["turn"] in set(Turn) else "",
        role=asked["role"] if asked["role"] in set(Role) else "",
        action=asked["action"] if asked["action"] in ACTIONS else "",
        ward_id=int(ward) if ward.isascii() and ward.isdigit() and len(ward) < 18 else None,
    )


def _kept(wanted: Wanted) -> dict[str, str]:
    kept = {**asdict(wanted), "ward": wanted.ward_id or ""}
    return {name: str(kept[name]) for name in ("turn", "role", "action", "ward") if kept[name]}


def _counts(found: Effects) -> list[tuple[str, int]]:
    return [(COUNTED[turn], count) for turn, count in found.counts().items() if count]


def _named(user: User, found: Effects, start: int, end: int) -> list[Row]:
    """Return the rows of a page; whose records stand on it is noted."""
    changes = list(found.rows(start, end))
    record_list_access(user=user, patients={one.thing.resource.patient_id for one in changes}, what="policy")
    names = _Names()
    names.learn(changes)
    return [names.row(change) for change in changes]


class _Names:
    """What things are called, looked up once for each however often they stand in the list."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, object], tuple[str, str, str]] = {(HOUSE, None): ("The house", "", "")}
        wards = Ward.objects.values_list("pk", "name")
        self._known |= {(WARD, pk): (f"What hangs in {name}", "", name) for pk, name in wards}

    def learn(self, changes: Iterable[Change]) -> None:
        """Look up, in one query for each kind, the things that are not known yet."""
        wanted: dict[str, dict[str, object]] = {}
        for change in changes:
            kind, pk = change.thing.kind, change.thing.pk
            if (kind, pk) not in self._known:
                wanted.setdefault(kind, {})[str(pk)] = pk
        for kind, keys in wanted.items():
            found = titled(kind, keys)
            self._known |= {(kind, pk): _called(found.get(text)) for text, pk in keys.items()}

    def row(self, change: Change) -> Row:
        """Name the thing of one change."""
        return Row(change, *self._known[(change.thing.kind, change.thing.pk)])


def _called(named: Named | None) -> tuple[str, str, str]:
    if named is None:
        return "gone", "", ""  # since it was counted
    return named.title, named.patient.name if named.patient is not None else "", named.ward


def _lines(found: Effects) -> Iterator[str]:
    """Yield the file in pieces of a thousand rows."""
    yield _csv([_HEAD])
    names, total, said = _Names(), min(len(found), MOST_ROWS), _Said()
    for start in range(0, total, 1000):
        changes = list(found.rows(start, min(start + 1000, total)))
        names.learn(changes)
        yield _csv(_cells(names.row(change), said) for change in changes)


class _Said(dict[Decision, tuple[str, str, str]]):
    """A decision in the words of the file, put together once: few decisions answer for many rows."""

    def __missing__(self, decision: Decision) -> tuple[str, str, str]:
        answer = ("yes, after a second factor" if decision.confirm else "yes") if decision.allowed else "no"
        self[decision] = (answer, str(inert(decision.reason)), str(inert(decision.rule)))
        return self[decision]


_HEAD = (
    "person", "sign_in_name", "role", "right", "right_in_words", "turn", "thing", "patient", "ward",
    "before", "before_reason", "before_rule", "after", "after_reason", "after_rule",
)  # fmt: skip


def _cells(row: Row, said: _Said) -> tuple[object, ...]:
    """Return one line; what people or wards are called may look like a formula, what the house says does not."""
    one = row.change
    who = (inert(one.user.display_name), inert(one.user.username), one.user.role)
    thing = (row.turn, inert(row.title), inert(row.whose), inert(row.ward))
    return (*who, one.action, one.words, *thing, *said[one.before], *said[one.after])


def _csv(rows: Iterable[Iterable[object]]) -> str:
    sheet = io.StringIO()
    csv.writer(sheet).writerows(rows)
    return sheet.getvalue()
