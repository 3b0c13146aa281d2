"""A paired gateway over every line: the real process, with nothing but what its pairing gave it."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from devices.gateway.config import load
from devices.protocol.certificates import Profile, public_key_of
from devices.transport import broker
from devices.transport.address import parse_address
from devices.transport.broker import BrokerLost, connect_broker
from tests.devices.transport.conformance.carriers import CARRIERS, PATIENCE_S, Carrier, in_database
from tests.devices.transport.conformance.test_every_line import _eventually
from tests.devices.transport.conformance.test_failures import stored
from tests.patience import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def gateway(transactional_db, ward):  # type: ignore[no-untyped-def]
    from devices.services.registry import register_gateway

    return register_gateway(name="gw-1", ward=ward)


@pytest.fixture
def monitor(gateway, patient):  # type: ignore[no-untyped-def]
    from devices.services.registry import register_device

    return register_device(serial="M-1", kind="vital_signs_monitor", label="Monitor", gateway=gateway, patient=patient)[
        0
    ]


@pytest.fixture(params=["websocket", pytest.param("mqtts", marks=pytest.mark.mqtt), "coap"])
async def carrier(request, in_a_hurry, tmp_path, gateway, monitor) -> AsyncIterator[Carrier]:  # type: ignore[no-untyped-def]
    async with CARRIERS[request.param](tmp_path).open() as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path, gateway, monitor, carrier: Carrier) -> Path:  # type: ignore[no-untyped-def]
    """The gateway's own folder, as a pairing leaves it, with a plant to measure in."""
    from devices.services.gateway_files import add_to_config, pair_folder

    config = pair_folder(tmp_path / "gateway", gateway, server=carrier.url)
    add_to_config(config, monitor, b"")
    said = json.loads(config.read_text())
    said |= {"interval_s": 0.05, "plant": {"entry": "tests.devices.gateway.plants:build", "options": {}}}
    config.write_text(json.dumps(said))
    return config.parent


@asynccontextmanager
async def at_work(folder: Path) -> AsyncIterator[Path]:
    """Run the gateway as the process that it is; yield what it logs."""
    log = folder / "gateway.log"
    with log.open("wb") as file:
        command = [sys.executable, "-m", "devices.gateway", "--config", str(folder / "config.json")]
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stderr=file)
    try:
        yield log
    finally:
        process.terminate()
        async with asyncio.timeout(PATIENCE_S):
            await process.wait()


async def test_paired_gateway_needs_nothing_but_its_pairing(carrier, folder, gateway, monitor):
    from devices.models import CoapSecret, KeyEpoch

    async with at_work(folder):
        await until(lambda: len(stored(monitor)) > 20, 3 * PATIENCE_S)
    async with at_work(folder):
        more = len(stored(monitor)) + 10
        await until(lambda: len(stored(monitor)) > more, 3 * PATIENCE_S)
    seqs = stored(monitor)
    assert len(set(seqs)) == len(seqs)

    def kept() -> tuple[int, list[bool]]:
        secrets = CoapSecret.objects.values_list("secret_sealed", flat=True)
        return KeyEpoch.objects.filter(gateway=gateway).count(), [one is None for one in secrets]

    epochs, no_secret = await in_database(kept)
    assert epochs >= 2  # each greeting began one
    assert no_secret == ([True] if carrier.name == "coap" else [])


async def test_certificate_taken_back_ends_the_open_line_and_keeps_the_gateway_out(carrier, folder, gateway, monitor):
    from devices.models import Certificate, GatewaySession
    from devices.services.authority import revoke

    def take_back() -> None:
        revoke(Certificate.objects.get(gateway=gateway, profile=Profile.LINK))

    def open_sessions() -> int:
        return GatewaySession.objects.filter(gateway=gateway, closed_at=None).count()

    async with at_work(folder) as log:
        await until(lambda: len(stored(monitor)) > 5, 3 * PATIENCE_S)
        await in_database(take_back)
        await _eventually(open_sessions, 0)
        await until(lambda: b"certificate_revoked" in log.read_bytes(), 3 * PATIENCE_S)  # told so when it came again
        assert await in_database(open_sessions) == 0


over_tls = pytest.mark.parametrize("carrier", [pytest.param("mqtts", marks=pytest.mark.mqtt)], indirect=True)


@over_tls
async def test_certificate_for_tls_is_renewed_before_its_end_and_shown_from_then_on(carrier, folder, gateway, monitor):
    from devices.gateway.identity import load_identities
    from devices.models import Certificate

    def age() -> None:
        now = timezone.now()
        Certificate.objects.filter(gateway=gateway, profile=Profile.TLS_CLIENT).update(
            not_before=now - timedelta(days=360), not_after=now + timedelta(days=5)
        )

    def held() -> str:
        return load_identities(folder / "identity.json").gateway.tls_certificate

    former = held()
    await in_database(age)
    async with at_work(folder):
        await until(lambda: held() != former, 3 * PATIENCE_S)
    renewed = held()
    assert public_key_of(bytes.fromhex(renewed)) == public_key_of(bytes.fromhex(former))
    await in_database(lambda: Certificate.objects.filter(not_after__lt=timezone.now() + timedelta(days=6)).delete())
    async with at_work(folder):
        more = len(stored(monitor)) + 5
        await until(lambda: len(stored(monitor)) > more, 3 * PATIENCE_S)
    assert held() == renewed


# paho leaves a socket whose handshake failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@over_tls
async def test_broker_turns_away_a_gateway_that_was_taken_out_of_use(carrier, folder, gateway, monkeypatch):
    from devices.services.gateways import set_gateway_state

    async def knock() -> None:
        config = load(folder / "config.json")
        address = parse_address(config.server)
        async with connect_broker(
            address, identifier="x", tls=config.tls(), most_message_bytes=10_000, most_waiting_bytes=10_000
        ) as line:
            await line.subscribe(address.topic(gateway.pk, "answers"))

    await knock()
    await in_database(lambda: set_gateway_state(gateway=gateway, state="retired"))
    await carrier.restart_carrier()  # with the list as `mosquitto_files` writes it now
    monkeypatch.setattr(broker, "ANSWER_WITHIN_S", 2.0)  # for an answer that never comes
    with pytest.raises(BrokerLost):
        await knock()
    gc.collect()  # here, where it is expected
