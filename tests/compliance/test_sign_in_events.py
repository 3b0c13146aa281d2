"""Failed sign-ins leave a trace that tells who was tried, and never what a stranger typed."""

from __future__ import annotations

import pytest
from django.urls import reverse

from compliance.models import Event

pytestmark = pytest.mark.django_db
LOGIN = "account_login"


def attempt(client, login, password="wrong"):
    return client.post(reverse(LOGIN), {"login": login, "password": password})


def test_a_wrong_password_is_recorded_under_its_account(client, make_user):
    nurse = make_user("nurse")
    attempt(client, "nurse")
    event = Event.objects.get(code="sign_in_failed")
    assert (event.user, event.category, event.detail) == (nurse, "security", {"address": "127.0.0.1"})


def test_a_name_that_belongs_to_nobody_is_not_kept(client):
    attempt(client, "hunter2-typed-into-the-wrong-field")
    event = Event.objects.get(code="sign_in_failed")
    assert event.user is None
    assert "hunter2" not in f"{event.message}{event.detail}"


def test_a_flood_is_one_row_that_counts_per_account(client, make_user):
    make_user("nurse")
    make_user("physician")
    for _ in range(3):
        attempt(client, "nurse")
    attempt(client, "physician")
    assert sorted(Event.objects.filter(code="sign_in_failed").values_list("user__username", "count")) == [
        ("nurse", 3),
        ("physician", 1),
    ]


def test_the_lock_after_too_many_failures_is_recorded(client, make_user, settings):
    nurse = make_user("nurse")
    for _ in range(settings.AXES_FAILURE_LIMIT + 1):
        attempt(client, "nurse")
    assert Event.objects.filter(code="sign_in_locked", user=nurse).exists()


def test_a_good_sign_in_leaves_no_failure(client, make_user):
    make_user("nurse")
    attempt(client, "nurse", "correct horse battery")
    assert not Event.objects.filter(code__startswith="sign_in").exists()
