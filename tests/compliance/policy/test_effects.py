"""What turns from one policy to another: the same changes, found with sets, as asking the engine thing by thing."""

from __future__ import annotations

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compliance.models import Patient, User, Ward
from compliance.policy import ACTIONS, Circumstances, Policy, Scope, decide, house_policy, house_text, read_policy
from compliance.selectors import scope_for
from compliance.selectors.effects import Effects, Turn, Wanted, effects
from compliance.selectors.policy import subjects_of
from compliance.selectors.simulator import refusals_asked
from devices.models import Device
from tests.compliance.policy.strategies import documents
from tests.compliance.policy.test_querysets import STRICT, house  # noqa: F401  a fixture

pytestmark = pytest.mark.django_db
BUSY = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]  # a busy machine draws slowly
FEWER = house_text().replace('"imaging.view_study" = "ward"\n', "")


def turned(found: Effects) -> set[tuple[object, ...]]:
    return {
        (one.user.username, one.action, str(one.turn), one.thing.kind, one.thing.pk)
        for one in found.rows(0, len(found))
    }


def asked_one_by_one(before: Policy, after: Policy, found: Effects) -> set[tuple[object, ...]]:
    """Ask the engine about everybody, every right and every thing that the comparison tells apart."""
    users = list(User.objects.filter(is_active=True).exclude(role="none"))
    when: Circumstances = found.when
    old, new = subjects_of(users, before, when.at), subjects_of(users, after, when.at)
    turns = set()
    for user in users:
        for action in ACTIONS:
            for thing in found.things:
                was = decide(before, old[user.pk], action, when, thing.resource)
                will = decide(after, new[user.pk], action, when, thing.resource)
                turn = None
                if was.allowed != will.allowed:
                    turn = Turn.GAINS if will.allowed else Turn.LOSES
                elif was.allowed and was.confirm != will.confirm:
                    turn = Turn.LOCKED if will.confirm else Turn.UNLOCKED
                if turn is not None:
                    turns.add((user.username, action, str(turn), thing.kind, thing.pk))
    return turns


def judged_about(action: str, kind: str, policies: list[Policy]) -> bool:
    from compliance.selectors.effects import _kinds_of

    return kind in _kinds_of(action, policies)


@settings(max_examples=25, deadline=None, suppress_health_check=BUSY)
@given(documents, documents | st.just(house_text()))
def test_the_changes_are_those_of_asking_one_by_one(house, one, other) -> None:  # noqa: F811
    before, after = read_policy(one), read_policy(other)
    found = effects(before, after, timezone.now())
    slowly = asked_one_by_one(before, after, found)
    assert turned(found) == {row for row in slowly if judged_about(str(row[1]), str(row[3]), [before, after])}
    # What is passed over hides nothing: a turn on any kind of thing has a row on a kind that the right is about,
    # unless the house has no thing of that kind.
    for change in found.rows(0, len(found)):
        assert change.before.allowed != change.after.allowed or change.before.confirm != change.after.confirm
        assert change.before.reason
        assert change.after.reason


@given(documents)
@settings(max_examples=10, deadline=None, suppress_health_check=BUSY)
def test_there_and_back_are_opposite(house, text) -> None:  # noqa: F811
    opposite = {"gains": "loses", "loses": "gains", "locked": "unlocked", "unlocked": "locked"}
    now, policy = timezone.now(), read_policy(text)
    there, back = effects(house_policy(), policy, now), effects(policy, house_policy(), now)
    assert turned(back) == {(who, right, opposite[str(turn)], *rest) for who, right, turn, *rest in turned(there)}
    assert len(effects(policy, policy, now)) == 0


def test_a_rule_about_states_names_each_device(house) -> None:  # noqa: F811
    found = effects(house_policy(), read_policy(house_text() + STRICT), timezone.now())
    quarantined = set(
        Device.objects.filter(state="quarantined", patient__ward__name="Ward 4").values_list("pk", flat=True)
    )
    lost = {
        one.thing.pk for one in found.rows(0, len(found)) if one.user.username == "nurse" and one.thing.kind == "device"
    }
    assert quarantined <= lost
    assert not lost & set(Device.objects.filter(state="active").values_list("pk", flat=True))


def test_filters_keep_what_they_say_and_pages_cut_the_same_list(house, cast, ward) -> None:  # noqa: F811
    everything = effects(house_policy(), read_policy(FEWER), timezone.now())
    inside = everything.within(scope_for(cast["administrator"], "compliance.simulate_policy"), Wanted())
    assert 0 < len(inside) < len(everything)  # what is lost on the other ward is counted, not named
    assert {one.thing.resource.ward_id for one in inside.rows(0, len(inside))} <= {ward.pk, None}
    nurses = inside.within(Scope(), Wanted(role="nurse"))
    assert len(nurses) == 0  # a scope that reaches nothing shows nothing but the house
    scope = scope_for(cast["administrator"], "compliance.simulate_policy")
    for wanted in (Wanted(role="nurse"), Wanted(action="imaging.view_study"), Wanted(turn="gains"), Wanted(ward_id=-1)):
        kept = everything.within(scope, wanted)
        assert turned(kept) <= turned(inside)
        assert len(kept) == len(turned(kept))
    rows = list(inside.rows(0, len(inside)))
    assert [row for start in range(0, len(rows), 3) for row in inside.rows(start, start + 3)] == rows
    assert sum(inside.counts().values()) == len(rows)


def test_one_lookup_of_everybody_is_enough(house, django_assert_max_num_queries) -> None:  # noqa: F811
    with django_assert_max_num_queries(20):
        found = effects(house_policy(), read_policy(FEWER + STRICT), timezone.now())
        list(found.rows(0, len(found)))
    assert Patient.objects.count() == Ward.objects.count() == 2
    assert refusals_asked(house_policy())
