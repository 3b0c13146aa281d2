"""One named thing on the page of the policy: found within the reader's wards, asked about, and answered as the house
itself would."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compliance.models import (
    AccessRecord,
    CareRelationship,
    Consent,
    EmergencyAccess,
    LogEntry,
    Patient,
    PolicyVersion,
    Shift,
    User,
    Ward,
)
from compliance.policy import ACTIONS, Purpose, Role
from compliance.policy.asking import asking
from compliance.policy.finders import Finder, all_finders, register_finders
from compliance.policy.rules import DECIDED_BY_PATIENTS
from compliance.selectors import scope_for
from compliance.selectors.named import find, one
from compliance.selectors.simulator import About, WhatIf, ask
from devices.models import Device
from tests.compliance.policy.strategies import actions, documents
from tests.compliance.policy.test_querysets import house  # noqa: F401  a fixture
from tests.compliance.policy.versions import activate
from tests.conftest import sign_in
from tests.system.objects import objects_of
from twin.models import Alert

pytestmark = pytest.mark.django_db
BUSY = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]  # a busy machine draws slowly
SIMULATE = "compliance.simulate_policy"


@pytest.fixture
def boss(client, cast):
    return sign_in(client, cast["administrator"])


@pytest.fixture
def named(patient):
    """One real thing of every kind that can be named, by kind."""
    made = objects_of(patient)
    keys = {"device": "device_id", "gateway": "gateway_id", "study": "study_id", "alert": "alert_id"}
    keys |= {"order": "order_id", "report": "report_id", "entry": "entry_id"}
    return {"record": patient.pk} | {kind: made[key] for kind, key in keys.items()}


def search(boss, kind, text, **more):
    return boss.post("/policy/find/", {"kind": kind, "q": text, **more}, headers={"HX-Target": "found"})


def test_every_kind_with_a_finder_is_named_and_answers_for_itself(boss, cast, named):
    assert {finder.kind for finder in all_finders()} == set(named)
    for finder in all_finders():
        row = finder.rows().get(pk=named[finder.kind])
        page = boss.get("/policy/", {"kind": finder.kind, "object": named[finder.kind]})
        assert page.status_code == 200, finder.kind
        for answer in page.context["answers"]:
            allowed = answer.decision.allowed and not answer.decision.confirm
            assert allowed == answer.user.has_perm(answer.action, row), (finder.kind, answer.user.username)


def test_a_kind_has_one_finder_and_one_that_the_page_knows():
    for kind in ("device", "unheard_of"):
        with pytest.raises(ValueError, match=kind):
            register_finders([Finder(kind, Device.objects.all, title=str, called=lambda _: None)])


def stand(user, data, wards, patients):
    """Give `user` a made-up standing: role, links, shift, emergency, an own record."""
    now = timezone.now()
    day = timedelta(days=1)
    user.role = data.draw(st.sampled_from(list(Role))).value
    user.is_active = data.draw(st.booleans())
    User.objects.update(own_patient=None)  # one account at most for each
    user.own_patient = data.draw(st.none() | st.sampled_from(patients))
    user.save()
    for model in (CareRelationship, Shift, EmergencyAccess):
        model.objects.filter(user=user).delete()
    for ward in data.draw(st.lists(st.sampled_from(wards), unique=True)):
        CareRelationship.objects.create(user=user, ward=ward, starts_at=now - day)
    for patient in data.draw(st.lists(st.sampled_from(patients), unique=True)):
        CareRelationship.objects.create(user=user, patient=patient, starts_at=now - day)
    if data.draw(st.booleans()):
        Shift.objects.create(user=user, starts_at=now - 2 * day, ends_at=now + data.draw(st.sampled_from([day, -day])))
    if data.draw(st.booleans()):
        EmergencyAccess.objects.create(
            user=user, patient=data.draw(st.sampled_from(patients)), reason="e", reason_words="e", explanation="e",
            opened_at=now - day, ends_at=now + day,
        )  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=BUSY)
@given(st.data())
def test_the_answer_is_that_of_the_house_for_anybody_and_anything(house, named, data):  # noqa: F811
    wards, patients = list(Ward.objects.all()), list(Patient.objects.all())
    if data.draw(st.booleans()):
        activate(data.draw(documents))
    else:
        PolicyVersion.objects.update(active=False)
    user = house["nurse"]
    stand(user, data, wards, patients)
    for purpose in data.draw(st.lists(st.sampled_from(sorted(DECIDED_BY_PATIENTS)), max_size=3)):
        Consent.objects.create(
            patient=data.draw(st.sampled_from(patients)), purpose=purpose, given=data.draw(st.booleans()),
            how="self", text_version="1", at=timezone.now(),
        )  # fmt: skip
    finder = data.draw(st.sampled_from(all_finders()))
    row = data.draw(st.sampled_from(list(finder.rows().order_by("pk"))))
    action = data.draw(actions | st.sampled_from(sorted(ACTIONS)))
    purpose, fresh = data.draw(st.none() | st.sampled_from(list(Purpose))), data.draw(st.booleans())
    with asking(purpose, lambda: fresh):
        allowed = user.has_perm(action, row)
    (said,) = ask([user], [action], About(thing=row), WhatIf(purpose=purpose, fresh=fresh))
    assert (said.decision.allowed and not said.decision.confirm) == allowed
    assert said.attribute


def test_a_thing_is_found_by_number_by_name_and_by_what_it_is_called(boss, named, patient):
    device = Device.objects.get(pk=named["device"])
    for kind, text in [
        ("record", "t-001"), ("record", "byron"), ("device", device.serial), ("device", "ada byron"),
        ("gateway", "gateway"), ("study", str(named["study"])), ("alert", f"{named['alert']:02}"), ("order", "T-001"),
        ("entry", f"{named['entry']:02}"), ("report", "ward 4"),
    ]:  # fmt: skip
        found = search(boss, kind, text).context["found"].things
        assert str(named[kind]) in {one.pk for one in found}, (kind, text)


def test_whoever_is_found_is_noted_and_so_is_whose_thing_is_asked_about(boss, cast, named, patient):
    boss.get("/policy/")
    search(boss, "record", "A")
    assert not AccessRecord.objects.filter(user=cast["administrator"]).exists()
    search(boss, "device", "ada")
    boss.get("/policy/", {"kind": "device", "object": named["device"]})
    noted = AccessRecord.objects.filter(user=cast["administrator"], patient=patient).values_list("what", flat=True)
    assert set(noted) == {"policy", "rights"}


@pytest.mark.parametrize("kind", [finder.kind for finder in all_finders()])
def test_things_of_other_wards_are_neither_found_nor_named_and_absent_ones_answer_alike(
    boss, foreign_patient, named, kind
):
    made = objects_of(foreign_patient) | {"record_id": foreign_patient.pk}
    foreign = made[f"{kind}_id"]
    for text in ("T-900", "Somerville", str(foreign), "Ward 9"):
        found = search(boss, kind, text).context["found"]
        assert str(foreign) not in {one.pk for one in found.things}, text
        assert foreign_patient.pk not in found.patient_ids
    for pk in (foreign, "nonsense", "0", str(10**30)):
        page = boss.get("/policy/", {"kind": kind, "object": pk})
        assert page.status_code == 404
        assert b"Somerville" not in page.content
    assert not AccessRecord.objects.filter(patient=foreign_patient, what__in=["policy", "rights"]).exists()


def test_what_is_typed_stands_in_no_address(boss, patient):
    answer = search(boss, "record", "Byron")
    assert b"Ada Byron" in answer.content
    for link in answer.content.decode().split('href="')[1:]:
        assert "yron" not in link.partition('"')[0]
    assert boss.get("/policy/find/", {"q": "Byron"}).status_code == 405


def test_without_a_script_the_search_answers_with_the_whole_page(boss, patient):
    page = boss.post("/policy/find/", {"kind": "record", "q": "Byron", "person": "7"})
    assert b"<html" in page.content
    assert f"person=7&amp;object={patient.pk}".encode() in page.content


def test_only_whoever_may_ask_may_search(client, cast, patient):
    for role in ("nurse", "physician", "caregiver", "trainer", "patient"):
        assert sign_in(client, cast[role]).post("/policy/find/", {"kind": "record", "q": "Byron"}).status_code == 403


def test_what_a_thing_says_is_not_told_only_which_it_is(boss, named):
    """The administrator may not see medication: an order's name is its number."""
    said = (
        search(boss, "order", "T-001").content
        + boss.get("/policy/", {"kind": "order", "object": named["order"]}).content
    )
    assert b"Order" in said
    assert b"noxaparin" not in said


def test_the_device_is_asked_about_as_it_stands(boss, cast, named):
    Device.objects.filter(pk=named["device"]).update(state="retired")
    asked = {"kind": "device", "object": named["device"], "action": "devices.configure_device", "fresh": "on"}
    asked["person"] = cast["administrator"].pk
    one_answer = boss.get("/policy/", asked).context["one"]
    assert (one_answer.decision.allowed, one_answer.attribute) == (False, "device state")
    assert boss.get("/policy/", {**asked, "state": "active"}).context["one"].decision.allowed


def test_each_rule_is_told_with_its_answer_and_what_decided(boss, cast, named):
    asked = {"kind": "alert", "object": named["alert"], "person": cast["nurse"].pk, "off_shift": "on"}
    page = boss.get("/policy/", {**asked, "action": "twin.view_alert"})
    assert page.context["one"].attribute == "shift"
    assert b"decides, by shift" in page.content
    assert b"Rule: family" in page.content
    both = boss.get("/policy/", {**asked, "action": "everything"})
    assert {answer.action for answer in both.context["answers"]} == set(ACTIONS)


def test_an_emergency_can_be_assumed_for_a_things_patient(boss, make_user, other_ward, named):
    stranger = make_user("nurse", ward=other_ward, username="stranger")
    asked = {"kind": "study", "object": named["study"], "action": "imaging.view_study", "person": stranger.pk}
    assert not boss.get("/policy/", asked).context["one"].decision.allowed
    opened = boss.get("/policy/", {**asked, "opened": "on"}).context["one"]
    assert (opened.decision.allowed, opened.attribute) == (True, "emergency access")


def test_things_of_nobody_belong_to_their_ward(cast, named):
    scope = scope_for(cast["administrator"], SIMULATE)
    house_entry = LogEntry.objects.filter(patient_id=None, ward_id=None).first()
    assert house_entry is None or one(scope, "entry", str(house_entry.pk)) is None
    found, _row = one(scope, "gateway", str(named["gateway"]))
    assert (found.patient, found.ward) == (None, "Ward 4")
    assert find(scope, "gateway", "nothing like it").things == []
    assert Alert.objects.count() == 1
