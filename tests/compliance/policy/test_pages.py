"""The pages of the policy and of people: what they answer, what they change, and what they do not let through."""

from __future__ import annotations

import pytest

from compliance.models import CareRelationship, PolicyVersion, Shift, User
from compliance.policy import ACTIONS, house_text
from compliance.policy.kinds import KINDS
from tests.compliance.policy.test_querysets import LOCKED
from tests.compliance.policy.versions import activate
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db
NARROWER = house_text().replace('"imaging.view_study" = "ward"\n', "")


@pytest.fixture
def boss(fresh_client, cast):
    return fresh_client(cast["administrator"])


def test_the_simulator_says_who_may_and_why(boss, cast, patient):
    nurse = cast["nurse"]
    asked = {"patient": patient.pk, "action": "imaging.view_study", "person": nurse.pk}
    page = boss.get("/policy/", asked)
    allowed = {answer.user.username for answer in page.context["answers"] if answer.decision.allowed}
    assert allowed == {"nurse", "physician", "caregiver", "trainer"}
    assert page.context["one"].decision.reason == "works on this ward"
    off = boss.get("/policy/", {**asked, "off_shift": "on"}).context["one"]
    assert (off.decision.allowed, off.decision.rule) == (False, "shift")
    assert any(step.name == "rule: shift" and step.counts for step in off.steps)


@pytest.mark.parametrize(
    ("assumed", "role", "allowed"),
    [
        ({"refused": "on"}, "caregiver", False),
        ({"refused": "on"}, "trainer", False),
        ({"purpose": "research"}, "nurse", False),
        ({"purpose": "research", "refused": "on"}, "physician", False),
        ({"fresh": "on"}, "nurse", True),
    ],
)
def test_what_ifs_change_the_answer(boss, cast, patient, assumed, role, allowed):
    asked = {"patient": patient.pk, "action": "compliance.view_patient", "person": cast[role].pk}
    assert boss.get("/policy/", asked).context["one"].decision.allowed
    assert boss.get("/policy/", {**asked, **assumed}).context["one"].decision.allowed is allowed


def test_nonsense_and_patients_of_other_wards_are_not_answered(boss, foreign_patient):
    for wanted in (foreign_patient.pk, "nonsense", ""):
        page = boss.get("/policy/", {"patient": wanted, "action": "x", "person": "1;drop", "purpose": "fun"})
        assert page.status_code == 200
        assert list(page.context["answers"]) == []
        assert b"Somerville" not in page.content


def test_a_draft_is_compared_and_nothing_is_kept(boss, cast):
    page = boss.post("/policy/draft/", {"text": NARROWER.replace("\n", "\r\n"), "act": "compare"})
    lost = {(one.user.username, one.action, one.turns["gains"], one.turns["loses"]) for one in page.context["changes"]}
    assert ("nurse", "imaging.view_study", 0, 1) in lost
    assert not any(gained for _, _, gained, _ in lost)
    assert not PolicyVersion.objects.exists()


def test_a_draft_decides_once_it_is_let_and_the_house_can_come_back(boss, cast, patient):
    boss.post("/policy/draft/", {"text": NARROWER, "note": "fewer eyes", "act": "activate"})
    made = PolicyVersion.objects.get(active=True)
    assert (made.note, made.made_by) == ("fewer eyes", cast["administrator"])
    assert not cast["nurse"].has_perm("imaging.view_study", patient)
    assert b"fewer eyes" in boss.get("/policy/").content
    boss.post("/policy/versions/0/")
    assert cast["nurse"].has_perm("imaging.view_study", patient)


@pytest.mark.parametrize("text", ["", "format = 9", "<script>alert(1)</script>", "a=" + "[" * 9000])
def test_a_broken_draft_says_where(boss, text):
    page = boss.post("/policy/draft/", {"text": text, "act": "activate"})
    assert page.status_code == 400
    assert page.context["problem"]
    assert b"<script>alert" not in page.content
    assert not PolicyVersion.objects.exists()


@pytest.mark.parametrize("place", ["/policy/draft/", "/policy/versions/0/"])
def test_without_a_fresh_factor_nothing_is_let_decide(client, cast, place):
    from tests.conftest import sign_in

    answer = sign_in(client, cast["administrator"]).post(place, {"text": NARROWER, "act": "activate"})
    assert "/account/step-up/" in answer["Location"]
    assert not PolicyVersion.objects.exists()


def ask_page(boss, **asked):
    return boss.get("/policy/", asked).context


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_thing_can_be_asked_about_everybody_and_about_one(boss, cast, patient, ward, kind):
    place = {"patient": {"patient": patient.pk}, "ward": {"ward": ward.pk}, "house": {}}[KINDS[kind].place]
    page = ask_page(boss, kind=kind, **place)
    assert len(page["answers"]) == User.objects.exclude(role="none").count()
    one = ask_page(boss, kind=kind, action="everything", person=cast["nurse"].pk, **place)["answers"]
    assert [answer.action for answer in one] != sorted(ACTIONS)  # what may be done stands first
    assert {answer.action for answer in one} == set(ACTIONS)
    assert all(answer.decision.reason and (answer.decision.rule or answer.decision.missing) for answer in one)


def test_every_action_belongs_to_a_kind():
    assert {action for kind in KINDS.values() for action in kind.actions} == set(ACTIONS)


def test_the_answers_are_those_of_the_house(boss, cast, patient):
    said = {answer.user.pk: answer for answer in ask_page(boss, kind="record", patient=patient.pk)["answers"]}
    for user in User.objects.exclude(role="none"):
        assert said[user.pk].decision.allowed == user.has_perm("compliance.view_patient", patient)


def test_a_moment_and_an_emergency_can_be_assumed(boss, cast, patient, make_user, other_ward):
    stranger = make_user("nurse", ward=other_ward, username="stranger")
    asked = {"kind": "record", "patient": patient.pk, "person": stranger.pk}
    assert not ask_page(boss, **asked)["one"].decision.allowed
    assert ask_page(boss, **asked, opened="on")["one"].decision.rule == "rights through break_glass"
    CareRelationship.objects.filter(user=cast["nurse"]).update(ends_at="2040-01-01T12:00Z")
    asked["person"] = cast["nurse"].pk
    assert ask_page(boss, **asked, at="2040-01-01T11:59")["one"].decision.allowed
    assert not ask_page(boss, **asked, at="2040-01-01T12:00")["one"].decision.allowed


def test_a_change_without_a_reason_is_refused(boss):
    page = boss.post("/policy/draft/", {"text": NARROWER, "note": " ", "act": "activate"})
    assert (page.status_code, PolicyVersion.objects.count()) == (400, 0)
    assert b"Say why" in page.content


def test_what_a_rule_would_lock_is_told_before_it_decides(boss):
    locking = house_text() + LOCKED
    changes = boss.post("/policy/draft/", {"text": locking, "act": "compare"}).context["changes"]
    assert {(one.user.username, one.action, *one.turns.values()) for one in changes} == {
        ("nurse", "compliance.view_patient", 0, 0, 1, 0),
        ("nurse", "devices.view_device", 0, 0, 2, 0),  # of the patient, and of the ward
    }


def test_where_the_policy_wants_two_people_nobody_changes_it_alone(boss, cast, make_user, client):
    activate(house_text().replace("four_eyes = false", "four_eyes = true"))
    boss.post("/policy/draft/", {"text": NARROWER, "note": "fewer eyes", "act": "activate"})
    mine = PolicyVersion.objects.latest("pk")
    assert not mine.active
    for number in (mine.pk, 0):  # neither one's own, nor back to the house, where one would be alone again
        assert boss.post(f"/policy/versions/{number}/").status_code == 400
    assert not PolicyVersion.objects.get(pk=mine.pk).active
    assert b"fewer eyes" in boss.get("/policy/").content
    other = make_user("administrator", username="colleague")
    assert sign_in(client, other, fresh=True).post(f"/policy/versions/{mine.pk}/").status_code == 302
    assert PolicyVersion.objects.get(pk=mine.pk).active


def test_a_person_is_found_added_linked_and_given_a_shift(boss, cast, ward):
    page = boss.post("/people/add/", {"username": "grace", "given_name": "Grace", "role": "nurse"})
    person, password = page.context["made"]
    assert password.encode() in page.content
    assert b"Grace" in boss.get("/people/", {"q": "gra", "role": "nurse"}).content
    boss.post(f"/people/{person.pk}/links/", {"ward": ward.pk, "starts_at": "2026-01-01T06:00"})
    assert CareRelationship.objects.get(user=person).ward == ward
    boss.post(f"/people/{person.pk}/shifts/", {"starts_at": "2026-01-01T06:00", "ends_at": "2026-01-01T14:00"})
    boss.post(f"/people/shifts/{Shift.objects.get(user=person).pk}/remove/")
    assert not Shift.objects.exists()
    boss.post(f"/people/{person.pk}/role/", {"role": "physician"})
    boss.post(f"/people/{person.pk}/account/", {"active": "no"})
    person.refresh_from_db()
    assert (person.role, person.is_active) == ("physician", False)


def test_what_a_form_does_not_ask_for_is_not_taken(boss, cast, patient):
    extra = {"is_superuser": "on", "is_staff": "on", "password": "x", "own_patient": str(patient.pk), "id": "1"}
    boss.post("/people/add/", {"username": "mallory", "role": "nurse", **extra})
    made = User.objects.get(username="mallory")
    assert (made.is_superuser, made.is_staff, made.own_patient_id) == (False, False, None)
    assert not made.check_password("x")
    boss.post(f"/people/{made.pk}/role/", {"role": "patient", **extra})
    boss.post(f"/people/{made.pk}/role/", {"role": "emperor", **extra})
    made.refresh_from_db()
    assert made.role == "nurse"


def test_a_patient_of_another_ward_can_be_neither_linked_nor_named(boss, cast, foreign_patient, make_user):
    relative = make_user("caregiver", patient=foreign_patient, username="relative")
    assert b"Somerville" not in boss.get(f"/people/{relative.pk}/").content
    boss.post(f"/people/{cast['nurse'].pk}/links/", {"patient": foreign_patient.pk, "starts_at": "2026-01-01T06:00"})
    assert not CareRelationship.objects.filter(user=cast["nurse"], patient=foreign_patient).exists()


def test_an_administrator_does_not_promote_themself(boss, cast):
    me = cast["administrator"]
    boss.post(f"/people/{me.pk}/role/", {"role": "physician"})
    me.refresh_from_db()
    assert me.role == "administrator"
    assert b"Nobody changes their own role" in boss.get(f"/people/{me.pk}/").content


@pytest.mark.parametrize("role", ["nurse", "physician", "caregiver", "trainer", "patient", "outsider"])
@pytest.mark.parametrize("place", ["/people/", "/people/add/", "/policy/", "/policy/draft/", "/policy/versions/0/"])
def test_other_roles_get_in_nowhere(fresh_client, cast, role, place):
    assert fresh_client(cast[role]).get(place).status_code == 403
