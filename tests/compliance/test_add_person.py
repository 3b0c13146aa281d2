"""Making sign-ins in production."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from compliance.models import Event, User

pytestmark = pytest.mark.django_db


def _add(monkeypatch: pytest.MonkeyPatch, password: str = "a quiet night shift", *arguments: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))
    call_command("add_person", "maria", "--role", "nurse", *arguments, stdout=io.StringIO())


def test_a_person_is_added_with_role_and_ward(monkeypatch: pytest.MonkeyPatch, ward, patient) -> None:
    _add(monkeypatch, "a quiet night shift", "--ward", ward.name)
    maria = User.objects.get(username="maria")
    assert maria.check_password("a quiet night shift")
    assert maria.has_perm("compliance.view_patient", patient)
    assert Event.objects.filter(code="person_added", user=maria).exists()


def test_a_person_without_a_ward_reaches_nobody(monkeypatch: pytest.MonkeyPatch, patient) -> None:
    _add(monkeypatch)
    assert not User.objects.get(username="maria").has_perm("compliance.view_patient", patient)


@pytest.mark.parametrize("weak", ["", "short", "password1234"])
def test_a_weak_password_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch, weak: str) -> None:
    with pytest.raises(CommandError, match="password"):
        _add(monkeypatch, weak)
    assert not User.objects.exists()


def test_a_name_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    _add(monkeypatch)
    with pytest.raises(CommandError, match="already"):
        _add(monkeypatch)
