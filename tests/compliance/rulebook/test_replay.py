"""Same log, same verdicts: however it is cut, however often the engine sleeps, whatever else happens in between."""

from __future__ import annotations

import json

from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from compliance.rulebook.engine import Engine
from compliance.rulebook.reading import house_rules
from tests.compliance.rulebook.logs import ANN, BEN, MINUTE, fact, given, iso, numbered, ordered

people = st.sampled_from([ANN, BEN])
small = st.integers(1, 3)
amounts = st.sampled_from([10, 40.0, 61])


@st.composite
def records(draw):
    """A record of the kinds that rules look at, or another one; joined with others more often than not."""
    at_s = draw(st.integers(0, 3 * 24 * 60)) * MINUTE
    kind = draw(st.sampled_from(["order", "stop", "check", "dose", "void", "alarm", "answer", "other"]))
    number, actor = draw(small), draw(people)
    match kind:
        case "order":
            return ordered(at_s, order=number, supersedes=draw(small))
        case "stop":
            return fact(at_s, "dose_order_stopped", actor, order=number)
        case "check":
            return fact(at_s, "dose_checked", actor, dose=number, amount=draw(amounts))
        case "dose":
            told = at_s - draw(st.integers(0, 60)) * MINUTE
            return given(at_s, dose=number, amount=draw(amounts), order=draw(small), given_at=iso(told))
        case "void":
            return fact(at_s, "dose_void", actor, administration=9, corrects=number)
        case "alarm":
            return fact(at_s, "alert_raised", None, alert=number, priority=draw(st.sampled_from(["high", "low"])))
        case "answer":
            return fact(at_s, "alert_acknowledged", actor, alert=number)
        case _:
            return fact(at_s, "sign_in_failed", actor)


logs = st.lists(records(), max_size=60).map(numbered)


@settings(max_examples=150, deadline=None)
@for_all(logs, st.lists(st.integers(1, 9), min_size=1, max_size=60))
def test_batches_and_sleep_change_nothing(log, sizes):
    for rule in house_rules():
        whole = Engine(rule).feed(log)
        state, pieces, at = Engine(rule).dump(), [], 0
        while at < len(log):
            size = sizes[at % len(sizes)]
            engine = Engine(rule).load(json.loads(json.dumps(state)))
            pieces += engine.feed(log[at : at + size])
            state, at = engine.dump(), at + size
        assert pieces == whole


@settings(max_examples=60, deadline=None)
@for_all(logs)
def test_no_finding_comes_twice_and_each_proof_holds_its_record(log):
    for rule in house_rules():
        found = Engine(rule).feed(log)
        assert len({(finding.index, finding.demand) for finding in found}) == len(found)
        for finding in found:
            assert finding.index in finding.indexes
            assert set(finding.indexes) <= set(range(len(log)))
            assert list(finding.indexes) == sorted(set(finding.indexes))


@settings(max_examples=60, deadline=None)
@for_all(logs, st.data())
def test_records_that_no_rule_looks_at_change_no_verdict(log, data):
    """Where time goes on: a record that no rule looks at still tells the time, to records written down late."""
    log = numbered([*sorted(log, key=lambda one: one.at_s), fact(9e6, "the_end")])
    strangers = st.lists(st.integers(0, len(log)), max_size=8)
    mixed = list(log)
    for place in sorted(data.draw(strangers), reverse=True):
        at_s = mixed[place - 1].at_s - 1_800_000_000.0 if place else 0.0
        mixed.insert(place, fact(at_s, "nothing_of_interest"))
    for rule in house_rules():
        alone = [(finding.demand, finding.at_s) for finding in Engine(rule).feed(log)]
        among = [(finding.demand, finding.at_s) for finding in Engine(rule).feed(numbered(mixed))]
        assert among == alone


def test_an_engine_forgets_what_no_later_record_can_need():
    doses = [given(day * 86_400.0, dose=day, administration=day) for day in range(1, 400)]
    checks = [fact(day * 86_400.0, "dose_checked", BEN, dose=day, amount=40) for day in range(1, 400)]
    log = numbered([ordered(), *sorted([*doses, *checks], key=lambda one: (one.at_s, one.code))])
    for rule in house_rules():
        engine = Engine(rule)
        engine.feed(log)
        assert len(json.dumps(engine.dump())) < 5_000
