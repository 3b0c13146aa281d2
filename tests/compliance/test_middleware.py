"""What every answer carries, whichever view made it."""

from __future__ import annotations

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@pytest.mark.parametrize("path", ["/", "/patients/{}/", "/patients/{}/panels/timeline/", "/ward/sparks/", "/devices/"])
def test_no_cache_keeps_a_patients_page(client: Client, cast, patient, path: str) -> None:
    client.force_login(cast["nurse"], backend=BACKEND)
    response = client.get(path.format(patient.pk))
    assert (response.status_code, response["Cache-Control"]) == (200, "private, no-store")


def test_no_cache_keeps_a_refusal(client: Client, cast, foreign_patient) -> None:
    client.force_login(cast["nurse"], backend=BACKEND)
    assert client.get(f"/patients/{foreign_patient.pk}/")["Cache-Control"] == "private, no-store"
