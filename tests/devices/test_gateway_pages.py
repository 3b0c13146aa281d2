"""The page of a gateway: who sees it, who keeps it out, and what is left of that."""

from __future__ import annotations

import pytest
from django.urls import reverse

from compliance.models import Event
from devices.models import Gateway, GatewayState
from devices.services.directory import Directory
from devices.services.gateways import set_gateway_state
from devices.services.registry import RegistrationRefused, register_device
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def gateway(ward, patient):
    made = Gateway.objects.create(name="Gateway east", ward=ward, public_key=b"k" * 32)
    register_device(serial="CGM-77", kind="cgm", label="Glucose sensor", gateway=made, patient=patient)
    return made


@pytest.fixture
def foreign_gateway(other_ward):
    return Gateway.objects.create(name="Gateway west", ward=other_ward, public_key=b"k" * 32)


def _state(gateway, state):
    return reverse("devices:gateway_state", args=[gateway.pk, state])


def test_staff_of_the_ward_see_it_and_only_administrators_keep_it_out(client, cast, gateway):
    place = reverse("devices:gateway", args=[gateway.pk])
    sign_in(client, cast["nurse"], fresh=True)
    page = client.get(place).content.decode()
    assert "Glucose sensor" in page
    assert "Quarantine" not in page
    assert client.post(_state(gateway, "quarantined")).status_code == 403
    sign_in(client, cast["administrator"], fresh=True)
    assert "Quarantine" in client.get(place).content.decode()
    sign_in(client, cast["caregiver"], fresh=True)
    assert client.get(place).status_code in {403, 404}


def test_a_quarantined_gateway_is_heard_no_more_until_it_is_let_in(fresh_client, cast, gateway):
    client, directory = fresh_client(cast["administrator"]), Directory()
    directory.refresh()
    assert directory.gateways[gateway.pk].active
    assert len(directory.devices) == 1
    assert client.post(_state(gateway, "quarantined")).status_code == 302
    directory.refresh()
    assert not directory.gateways[gateway.pk].active
    assert directory.devices == {}
    assert client.post(_state(gateway, "active")).status_code == 302
    directory.refresh()
    assert directory.gateways[gateway.pk].active
    page = client.get(reverse("devices:gateway", args=[gateway.pk])).content.decode()
    assert "gateway_quarantined" in page
    assert "gateway_active" in page
    said = Event.objects.get(code="gateway_quarantined")
    assert (said.user, said.gateway_id, said.detail) == (cast["administrator"], gateway.pk, {"before": "active"})


def test_without_a_fresh_second_factor_nothing_changes(client, cast, gateway):
    sign_in(client, cast["administrator"])
    answer = client.post(_state(gateway, "quarantined"))
    assert (answer.status_code, Gateway.objects.get().state) == (302, GatewayState.ACTIVE)
    assert "step-up" in answer["Location"]


def test_revoking_asks_for_the_name_and_is_for_good(fresh_client, cast, gateway):
    client = fresh_client(cast["administrator"])
    assert client.post(_state(gateway, "retired"), {"name": "Gateway west"}).status_code == 400
    assert Gateway.objects.get().state == GatewayState.ACTIVE
    assert client.post(_state(gateway, "retired"), {"name": "Gateway east"}).status_code == 302
    assert client.post(_state(gateway, "active")).status_code == 404
    with pytest.raises(RegistrationRefused, match="does not come back"):
        set_gateway_state(gateway=gateway, state=GatewayState.ACTIVE)


@pytest.mark.parametrize("state", ["active", "broken", "quarantined"])
def test_absent_foreign_and_impossible_get_the_same_answer(fresh_client, cast, gateway, foreign_gateway, state):
    client = fresh_client(cast["administrator"])
    answers = {client.post(_state(foreign_gateway, state)).status_code}
    answers.add(client.post(reverse("devices:gateway_state", args=[999_999, state])).status_code)
    answers.add(client.get(reverse("devices:gateway", args=[foreign_gateway.pk])).status_code)
    answers.add(client.post(_state(gateway, "broken")).status_code)
    assert answers == {404}
