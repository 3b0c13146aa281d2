"""The page on which two versions stand beside each other: which ones, what it lists, and what leaves the house."""

from __future__ import annotations

import csv
import io

import pytest
from django.utils import timezone

from compliance.models import AccessRecord, Event, PolicyVersion
from compliance.policy import house_text
from compliance.services.policy import put_down
from tests.compliance.policy.versions import activate
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db
NARROWER = house_text().replace('"imaging.view_study" = "ward"\n', "")
LONGER = house_text().replace("minutes = 60", "minutes = 90")


@pytest.fixture
def boss(fresh_client, cast, patient):
    return fresh_client(cast["administrator"])


def kept(text: str, note: str = "a reason") -> PolicyVersion:
    return put_down(text=text, note=note, by=None, now=timezone.now())


def shown(boss, **asked) -> set[tuple[str, ...]]:
    page = boss.get("/policy/compare/", asked)
    return {(row.change.user.username, row.change.action, row.turn, row.title) for row in page.context["rows"]}


def test_any_two_versions_are_compared_both_ways_and_neither_decides(boss):
    old, new = kept(LONGER), kept(NARROWER)
    there = shown(boss, left=old.pk, right=new.pk)
    assert ("nurse", "imaging.view_study", "loses", "Record T-001") in there
    back = shown(boss, left=new.pk, right=old.pk)
    assert {(who, right, title) for who, right, _, title in back} == {(who, right, t) for who, right, _, t in there}
    assert {turn for _, _, turn, _ in back} == {"gains"}
    said = boss.get("/policy/compare/", {"left": old.pk, "right": new.pk}).context["said"]
    assert {one.about for one in said} == {
        "nurse: see images", "physician: see images", "trainer: see images", "emergency access: minutes",
    }  # fmt: skip
    assert not PolicyVersion.objects.filter(active=True).exists()


def test_each_row_has_both_decisions_with_their_reasons(boss):
    new = kept(NARROWER)
    page = boss.get("/policy/compare/", {"left": "0", "right": new.pk, "role": "nurse"})
    (row,) = page.context["rows"]
    assert (row.change.before.reason, row.change.after.rule) == ("works on this ward", "rights")
    assert b"no right to imaging.view_study" in page.content
    assert b"Ada Byron" in page.content


def test_the_draft_is_one_of_the_sides_until_it_is_a_version(boss):
    boss.post("/policy/draft/", {"text": NARROWER, "act": "compare"})
    assert ("nurse", "imaging.view_study", "loses", "Record T-001") in shown(boss, left="0", right="draft")
    assert boss.get("/policy/compare/").context["right"].key == "draft"
    assert boss.get("/policy/draft/").context["text"] == NARROWER  # still there to go on with
    boss.post("/policy/draft/", {"text": NARROWER, "note": "fewer eyes", "act": "activate"})
    assert boss.get("/policy/compare/", {"right": "draft"}).status_code == 404


def test_a_draft_is_its_authors_alone(boss, client, make_user, ward):
    boss.post("/policy/draft/", {"text": NARROWER, "act": "compare"})
    colleague = sign_in(client, make_user("administrator", ward=ward, username="colleague"))
    assert colleague.get("/policy/compare/", {"right": "draft"}).status_code == 404


@pytest.mark.parametrize("key", ["17", "nonsense", "-1", "9" * 30, "draft"])
def test_a_version_that_is_not_there_answers_like_any(boss, key):
    assert boss.get("/policy/compare/", {"right": key}).status_code == 404
    assert boss.get("/policy/compare/file/", {"left": key}).status_code == 404


def test_a_version_that_was_changed_in_the_database_is_not_compared(boss):
    new = kept(NARROWER)
    PolicyVersion.objects.update(text=LONGER)
    page = boss.get("/policy/compare/", {"left": "0", "right": new.pk})
    assert page.status_code == 400
    assert b"not the one that was put down" in page.content


@pytest.mark.parametrize(
    ("asked", "people"),
    [
        ({}, {"nurse", "physician", "trainer"}),
        ({"role": "nurse"}, {"nurse"}),
        ({"action": "imaging.view_study"}, {"nurse", "physician", "trainer"}),
        ({"action": "twin.view_alert"}, set()),
        ({"turn": "gains"}, set()),
        ({"turn": "nonsense", "role": "x", "action": "y", "ward": "z"}, {"nurse", "physician", "trainer"}),
        ({"ward": "999999"}, set()),
    ],
)
def test_filters_narrow_the_list(boss, asked, people):
    assert {who for who, *_ in shown(boss, left="0", right=kept(NARROWER).pk, **asked)} == people


def test_patients_of_other_wards_are_counted_and_not_named(boss, make_user, other_ward, foreign_patient):
    make_user("nurse", ward=other_ward, username="far")
    page = boss.get("/policy/compare/", {"left": "0", "right": kept(NARROWER).pk})
    assert page.context["elsewhere"] == 1
    assert b"Somerville" not in page.content
    assert b"T-900" not in boss.get("/policy/compare/file/", {"left": "0", "right": kept(NARROWER).pk}).content
    assert not AccessRecord.objects.filter(patient=foreign_patient).exists()


def test_whoever_stands_on_the_page_is_noted(boss, cast, patient):
    boss.get("/policy/compare/")
    assert not AccessRecord.objects.filter(patient=patient).exists()
    boss.get("/policy/compare/", {"left": "0", "right": kept(NARROWER).pk})
    assert AccessRecord.objects.get(patient=patient).what == "policy"


def test_the_file_holds_every_row_and_is_an_event(boss, cast, patient):
    new = kept(NARROWER)
    answer = boss.get("/policy/compare/file/", {"left": "0", "right": new.pk})
    assert answer["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert {(row["sign_in_name"], row["right"], row["turn"], row["patient"]) for row in rows} == {
        (who, "imaging.view_study", "loses", "Ada Byron") for who in ("nurse", "physician", "trainer")
    }
    assert {(row["before"], row["after"]) for row in rows} == {("yes", "no")}
    event = Event.objects.get(code="policy_comparison_exported")
    assert event.detail == {"left": "0", "right": str(new.pk), "rows": 3}
    assert "Byron" not in str(list(Event.objects.values()))


def test_the_file_takes_a_fresh_factor_and_the_right(client, cast, patient):
    asked = {"left": "0", "right": kept(NARROWER).pk}
    stale = sign_in(client, cast["administrator"])
    assert "/account/step-up/" in stale.get("/policy/compare/file/", asked)["Location"]
    assert not Event.objects.filter(code="policy_comparison_exported").exists()
    for role in ("nurse", "physician", "caregiver", "trainer", "patient"):
        someone = sign_in(client, cast[role], fresh=True)
        assert someone.get("/policy/compare/", asked).status_code == 403
        assert someone.get("/policy/compare/file/", asked).status_code == 403


def test_formulas_of_a_spreadsheet_are_words_in_the_file(boss, cast, patient):
    patient.given_name = "=HYPERLINK(1)"
    patient.save()
    text = boss.get("/policy/compare/file/", {"left": "0", "right": kept(NARROWER).pk}).content.decode()
    assert {row["patient"] for row in csv.DictReader(io.StringIO(text))} == {"'=HYPERLINK(1) Byron"}


def test_what_decides_now_is_the_left_side_unless_another_is_chosen(boss):
    made = activate(NARROWER)
    page = boss.get("/policy/compare/")
    assert page.context["left"].key == str(made.pk)
    assert page.context["right"].key == "0"
    assert page.context["counts"][0][0] == "gained"


def test_the_same_twice_says_that_nothing_turns(boss):
    page = boss.get("/policy/compare/", {"left": "0", "right": "0"})
    assert b"They say the same" in page.content
    assert b"Nobody gains or loses anything now" in page.content
