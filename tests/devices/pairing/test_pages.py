"""Pairing in the browser: who may, what is shown once, and what the page says of it afterwards."""

from __future__ import annotations

import html
import re

import pytest
from django.urls import reverse

from devices.gateway.identity import load_identities
from devices.gateway.pair import pair
from devices.models import Certificate, CertificateState, Gateway, Pairing
from devices.pairing.address import parse_uri
from devices.pairing.codes import canonical
from devices.services.authority import server_identity
from devices.services.pairing import answer
from tests.conftest import sign_in
from tests.devices.pairing.paired import pair_now

pytestmark = pytest.mark.django_db


def _pairing(gateway) -> str:  # type: ignore[no-untyped-def]
    return reverse("devices:gateway_pairing", args=[gateway.pk])


def _uri(page: str) -> str:
    return html.unescape(re.search(r"pair &#x27;(medtwin-pair:[^<]*)&#x27;|pair '(medtwin-pair:[^<]*)'", page)[0])[6:-1]


def test_the_line_on_the_page_pairs_the_gateway(fresh_client, cast, gateway, tmp_path) -> None:
    client = fresh_client(cast["administrator"])
    assert "Show a code" in client.get(_pairing(gateway)).content.decode()
    assert not Pairing.objects.exists()
    response = client.post(_pairing(gateway))
    assert response.headers["Cache-Control"] == "no-store"
    page = response.content.decode()
    assert "data:image/svg+xml" in page
    address = parse_uri(_uri(page))
    assert address.server == "http://testserver"
    pair(address, tmp_path, answer)
    assert load_identities(tmp_path / "identity.json").gateway_id == gateway.pk
    state = client.get(reverse("devices:pairing_state", args=[Pairing.objects.get().pk]))
    assert state.status_code == 286  # htmx asks no more
    assert "Paired" in state.content.decode()


def test_a_code_is_shown_once(fresh_client, cast, gateway) -> None:
    client = fresh_client(cast["administrator"])
    code = parse_uri(_uri(client.post(_pairing(gateway)).content.decode())).code
    for place in (_pairing(gateway), reverse("devices:pairing_state", args=[Pairing.objects.get().pk])):
        page = client.get(place).content.decode()
        assert code not in page
        assert (canonical(code) or "") not in page
    assert "waits for" in client.get(_pairing(gateway)).content.decode()


def test_only_an_administrator_with_a_fresh_second_factor_makes_a_code(client, cast, gateway) -> None:
    for role in ("nurse", "physician", "caregiver", "trainer"):
        sign_in(client, cast[role], fresh=True)
        assert client.post(_pairing(gateway)).status_code in {403, 404}
    sign_in(client, cast["administrator"])
    assert "step-up" in client.post(_pairing(gateway)).url
    assert not Pairing.objects.exists()


def test_the_state_is_for_whoever_may_configure_it(client, cast, gateway, other_ward) -> None:
    from devices.services.pairing import begin_pairing
    from devices.services.registry import register_gateway

    elsewhere = begin_pairing(owner=register_gateway(name="Far", ward=other_ward), server="https://house").pairing
    here = begin_pairing(owner=gateway, server="https://house").pairing
    sign_in(client, cast["administrator"], fresh=True)
    assert client.get(reverse("devices:pairing_state", args=[here.pk])).status_code == 200
    absent = client.get(reverse("devices:pairing_state", args=[10**9]))
    foreign = client.get(reverse("devices:pairing_state", args=[elsewhere.pk]))
    assert absent.status_code == foreign.status_code == 404
    sign_in(client, cast["nurse"], fresh=True)
    assert client.get(reverse("devices:pairing_state", args=[here.pk])).status_code in {403, 404}


def test_a_device_waits_until_its_gateway_is_paired(fresh_client, cast, gateway, device) -> None:
    client = fresh_client(cast["administrator"])
    place = reverse("devices:device_pairing", args=[device.pk])
    assert "has to be paired first" in client.get(place).content.decode()
    pair_now(gateway)
    assert parse_uri(_uri(client.post(place).content.decode())).device_kind == "cgm"


def test_a_certificate_is_taken_back_on_its_page(fresh_client, cast, gateway) -> None:
    client = fresh_client(cast["administrator"])
    pair_now(gateway)
    certificate = gateway.certificates.get(profile="link")
    page = client.get(reverse("devices:gateway", args=[gateway.pk])).content.decode()
    assert certificate.serial[:16] in page
    place = reverse("devices:certificate_revoke", args=[certificate.pk])
    assert "within a second" in client.get(place).content.decode()
    assert client.post(place, {"reason": "lost"}).status_code == 302
    certificate.refresh_from_db()
    assert (certificate.state, certificate.reason) == (CertificateState.REVOKED, "lost")
    assert "revoked" in client.get(reverse("devices:gateway", args=[gateway.pk])).content.decode()


def test_the_server_s_own_certificate_has_no_page(fresh_client, cast, gateway) -> None:
    server_identity()
    own = Certificate.objects.get(gateway=None, device=None)
    client = fresh_client(cast["administrator"])
    assert client.post(reverse("devices:certificate_revoke", args=[own.pk])).status_code == 404


def test_what_was_taken_out_of_use_is_not_paired(fresh_client, cast, gateway) -> None:
    Gateway.objects.update(state="retired")
    client = fresh_client(cast["administrator"])
    assert "not paired again" in client.get(_pairing(gateway)).content.decode()
    assert client.post(_pairing(gateway)).status_code == 302
    assert not Pairing.objects.exists()
