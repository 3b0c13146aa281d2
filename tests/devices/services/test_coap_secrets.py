"""Where a gateway's secret for CoAP comes from: its pairing, and nothing that anybody has to carry."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from devices.models import CoapSecret
from devices.protocol.epochs import oscore_secret
from devices.services.coap_secrets import SecretFromPairing, renew_secret, reserve_numbers, secret_marks, secret_of
from tests.devices.pairing.paired import pair_now

pytestmark = pytest.mark.django_db


@pytest.fixture
def gateway(ward):  # type: ignore[no-untyped-def]
    from devices.services.registry import register_gateway

    return register_gateway(name="gw-1", ward=ward)


def test_pairing_brings_the_secret_that_both_ends_derive(gateway) -> None:  # type: ignore[no-untyped-def]
    assert secret_of(gateway.pk) is None
    paired = pair_now(gateway)
    secret = secret_of(gateway.pk)
    assert secret is not None
    assert secret.raw == oscore_secret(paired.root) != paired.root
    assert secret_marks([gateway.pk, 999]) == {gateway.pk: secret.mark, 999: b""}


def test_pairing_anew_ends_the_secret_and_goes_on_with_the_numbers(gateway) -> None:  # type: ignore[no-untyped-def]
    pair_now(gateway)
    before, used = secret_of(gateway.pk), reserve_numbers(gateway.pk)
    pair_now(gateway)
    after = secret_of(gateway.pk)
    assert (after.raw != before.raw, after.mark != before.mark) == (True, True)
    assert reserve_numbers(gateway.pk).start >= used.stop
    assert CoapSecret.objects.get(pk=gateway.pk).secret_sealed is None


def test_secret_given_out_before_a_pairing_counts_no_more(gateway) -> None:  # type: ignore[no-untyped-def]
    given = renew_secret(gateway)
    assert secret_of(gateway.pk).raw == given
    paired = pair_now(gateway)
    assert secret_of(gateway.pk).raw == oscore_secret(paired.root)


def test_no_secret_is_given_out_for_a_gateway_that_was_paired(gateway, tmp_path) -> None:  # type: ignore[no-untyped-def]
    pair_now(gateway)
    gateway.refresh_from_db()
    with pytest.raises(SecretFromPairing):
        renew_secret(gateway)
    with pytest.raises(CommandError, match="was paired"):
        call_command("gateway_coap", str(gateway.pk), out=tmp_path / "secret")
    assert not (tmp_path / "secret").exists()
