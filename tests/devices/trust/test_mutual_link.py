"""A paired gateway on the socket: both sides prove themselves, keys change, and what is taken back ends at once."""

from __future__ import annotations

import json
import time

import pytest
from channels.db import database_sync_to_async

from devices.errors import CertificateForeign, GatewayRefused
from devices.models import Certificate, Device, Gateway, GatewaySession, KeyEpoch
from devices.protocol.certificates import serial_of
from devices.protocol.frames import join_frames
from devices.protocol.hello import make_hello
from devices.protocol.mutual import GatewayGreeting, LinkIdentity
from devices.selectors.keys import key_of_epoch
from devices.services.authority import revoke
from devices.services.gateways import set_gateway_state
from devices.services.registry import register_device
from tests.devices.ingest.cast import events
from tests.devices.pairing.paired import PairedGateway, pair_now, refused

pytestmark = pytest.mark.django_db(transaction=True)


def _reading(device, seq=None):  # type: ignore[no-untyped-def]
    return device.frame(("heart_rate", time.time() - 1, 71.0), seq=seq)


async def test_readings_of_a_paired_gateway_are_stored_under_keys_that_no_disk_holds(gateway, monitor) -> None:
    await gateway.connect()
    device = gateway.device(monitor.pk)
    assert (await gateway.send(_reading(device)))["type"] == "ack"
    held = await database_sync_to_async(lambda: list(KeyEpoch.objects.values_list("secret_sealed", flat=True)))()
    assert gateway.epoch.secret not in bytes(held[0])


async def test_every_connection_begins_an_epoch_and_the_one_before_dies(gateway, monitor) -> None:
    await gateway.connect()
    old = gateway.device(monitor.pk)
    assert (await gateway.send(_reading(old)))["type"] == "ack"
    await gateway.connect()
    new = gateway.device(monitor.pk)
    assert (new.epoch > old.epoch, new.key != old.key) == (True, True)
    assert (await gateway.send(_reading(old, seq=50)))["code"] == "frame_epoch_unknown"
    new.seq = 60
    assert (await gateway.send(_reading(new)))["type"] == "ack"


async def test_keys_change_inside_an_open_session(gateway, monitor) -> None:
    await gateway.connect()
    old = gateway.device(monitor.pk)
    assert (await gateway.send(_reading(old)))["type"] == "ack"
    await gateway.greet(gateway.epoch.transcript)
    new = gateway.device(monitor.pk)
    assert new.epoch > old.epoch
    new.seq, new.counter = old.seq, old.counter
    assert (await gateway.send(_reading(new)))["type"] == "ack"
    assert (await gateway.send(_reading(old, seq=90)))["code"] == "frame_epoch_unknown"
    ended = await database_sync_to_async(lambda: KeyEpoch.objects.exclude(ended_at=None).count())()
    assert ended == 1


async def test_no_epoch_begins_while_frames_of_the_one_before_are_on_their_way(gateway, monitor) -> None:
    await gateway.connect()
    device = gateway.device(monitor.pk)
    hello = gateway.greeting().hello(gateway.epoch.transcript, now=time.time(), software="toy")
    await gateway.socket.send_to(bytes_data=join_frames([_reading(device)]))
    await gateway.say(hello)
    # Either the frame was answered before the hello was read, or the hello is refused; never a frame under old keys.
    said = json.loads(await gateway.socket.receive_from())
    assert said["type"] in {"ack", "refused"}


async def test_a_hello_of_the_session_cannot_be_shown_again(gateway, monitor) -> None:
    await gateway.connect()
    greeting = gateway.greeting()
    hello = greeting.hello(gateway.epoch.transcript, now=time.time(), software="toy")
    await gateway.say(hello)
    assert (await gateway.hear())["type"] == "welcome"
    await gateway.say(hello)
    assert await refused(gateway.socket) == "gateway_refused"
    assert await gateway.closed() == 4401


async def test_a_hello_of_another_connection_is_refused(gateway) -> None:
    challenge = await gateway.open()
    hello = gateway.greeting().hello(bytes.fromhex(challenge["nonce"]), now=time.time(), software="toy")
    await gateway.open()
    await gateway.say(hello)
    assert await refused(gateway.socket) == "gateway_refused"
    assert await events("gateway_refused")


async def test_a_paired_gateway_is_not_let_in_by_the_older_hello(gateway) -> None:
    challenge = await gateway.open()
    await gateway.say(make_hello(challenge, gateway_id=gateway.id, software="toy", key=gateway.key))
    assert await refused(gateway.socket) == "hello_outdated"
    assert await events("hello_outdated")


async def test_a_stolen_signing_key_without_the_root_is_not_enough(gateway) -> None:
    challenge = await gateway.open()
    thief = GatewayGreeting(
        gateway.id,
        LinkIdentity(gateway.key, gateway.paired.certificate, gateway.paired.authority),
        serial_of(gateway.paired.certificate),
        bytes(32),
    )
    await gateway.say(thief.hello(bytes.fromhex(challenge["nonce"]), now=time.time(), software="toy"))
    assert await refused(gateway.socket) == "gateway_refused"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("gateway", 99_999, "gateway_refused"),
        ("certificate", bytes(20), "gateway_refused"),
        ("certificate", b"", "gateway_refused"),
        ("certificate", 7, "gateway_refused"),
        ("time", 0.0, "gateway_refused"),
        ("nonce", bytes(32), "gateway_refused"),
        ("share", bytes(32), "gateway_refused"),
        ("suites", [], "gateway_refused"),
        ("suites", [3], "gateway_refused"),
        ("suites", ["1"], "gateway_refused"),
        ("measurement", b"x", "gateway_refused"),
        ("software", "other", "gateway_refused"),
        ("signature", bytes(64), "gateway_refused"),
        ("proof", bytes(32), "gateway_refused"),
        ("version", 3, "gateway_refused"),
        ("version", 1, "hello_outdated"),
    ],
)
async def test_every_field_of_the_hello_is_bound(gateway, field: str, value: object, code: str) -> None:
    challenge = await gateway.open()
    hello = gateway.greeting().hello(bytes.fromhex(challenge["nonce"]), now=time.time(), software="toy")
    await gateway.say({**hello, field: value})
    assert await refused(gateway.socket) == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"now": 1.7e9}, "gateway_clock_skewed"),
        ({"suites": (9,)}, "suite_unknown"),
    ],
)
async def test_a_sound_hello_that_does_not_fit_is_refused_by_name(
    gateway, change: dict[str, object], code: str
) -> None:
    challenge = await gateway.open()
    said = {"now": time.time(), "software": "toy"} | change
    await gateway.say(gateway.greeting().hello(bytes.fromhex(challenge["nonce"]), **said))  # type: ignore[arg-type]
    assert await refused(gateway.socket) == code
    assert await events(code)


async def test_the_server_speaks_the_suite_that_the_gateway_offers_among_others(gateway) -> None:
    challenge = await gateway.open()
    greeting = gateway.greeting()
    nonce = bytes.fromhex(challenge["nonce"])
    await gateway.say(greeting.hello(nonce, now=time.time(), software="toy", suites=(9, 1)))
    assert greeting.check(await gateway.hear_welcome(), now=time.time()).suite == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("credit", 1000),
        ("server_time", 0.0),
        ("epoch", 1),
        ("suite", 2),
        ("share", bytes(32)),
        ("epoch_s", 1),
        ("epoch_frames", 1),
        ("certificate", b""),
        ("renewed", b"x"),
        ("signature", bytes(64)),
        ("proof", bytes(32)),
    ],
)
async def test_every_field_of_the_welcome_is_bound(gateway, field: str, value: object) -> None:
    challenge = await gateway.open()
    greeting = gateway.greeting()
    await gateway.say(greeting.hello(bytes.fromhex(challenge["nonce"]), now=time.time(), software="toy"))
    welcome = await gateway.hear_welcome()
    assert greeting.check(dict(welcome), now=time.time())  # type: ignore[arg-type]
    with pytest.raises(GatewayRefused):
        greeting.check({**welcome, field: value}, now=time.time())


async def test_a_server_of_another_house_is_refused(gateway) -> None:
    from tests.devices.pairing.cast import House, real_now

    challenge = await gateway.open()
    greeting = gateway.greeting()
    await gateway.say(greeting.hello(bytes.fromhex(challenge["nonce"]), now=time.time(), software="toy"))
    welcome = await gateway.hear_welcome()
    with pytest.raises(CertificateForeign):
        greeting.check({**welcome, "certificate": House(made=real_now()).link.certificate}, now=time.time())


async def test_a_welcome_is_no_answer_to_another_hello(gateway) -> None:
    first, second = gateway.greeting(), gateway.greeting()
    challenge = await gateway.open()
    nonce = bytes.fromhex(challenge["nonce"])
    await gateway.say(first.hello(nonce, now=time.time(), software="toy"))
    second.hello(nonce, now=time.time(), software="toy")
    with pytest.raises(GatewayRefused):
        second.check(await gateway.hear_welcome(), now=time.time())


async def _within_a_second(gateway: PairedGateway, act) -> int:  # type: ignore[no-untyped-def]
    await database_sync_to_async(act)()
    return await gateway.closed()


async def test_a_revoked_certificate_ends_the_open_connection_and_does_not_let_in_again(gateway, row) -> None:
    await gateway.connect()
    assert await _within_a_second(gateway, lambda: revoke(Certificate.objects.get(gateway=row, profile="link"))) == 4403
    challenge = await gateway.open()
    await gateway.say(gateway.greeting().hello(bytes.fromhex(challenge["nonce"]), now=time.time(), software="toy"))
    assert await refused(gateway.socket) == "certificate_revoked"
    assert await events("certificate_revoked")


async def test_a_quarantined_gateway_is_shut_out_while_it_is_connected(gateway, row) -> None:
    await gateway.connect()
    assert await _within_a_second(gateway, lambda: set_gateway_state(gateway=row, state="quarantined")) == 4403


async def test_pairing_anew_ends_what_the_former_owner_of_the_keys_had_open(gateway, row) -> None:
    await gateway.connect()
    assert await _within_a_second(gateway, lambda: pair_now(row)) == 4403


async def test_a_gateway_that_is_paired_loses_its_connection_from_before(row, ward, patient) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from tests.devices.ingest.cast import ToyGateway

    key = Ed25519PrivateKey.generate()
    row.public_key = key.public_key().public_bytes_raw()
    await database_sync_to_async(row.save)()
    plain = await ToyGateway(row.pk, key).connect()
    await database_sync_to_async(lambda: pair_now(row))()
    assert await plain.closed() == 4403


async def test_a_device_paired_itself_seals_under_its_own_root_from_the_next_epoch_on(gateway, monitor) -> None:
    await gateway.connect()
    paired = await database_sync_to_async(lambda: pair_now(monitor))()
    before = gateway.device(monitor.pk)
    assert (await gateway.send(_reading(before)))["type"] == "ack"
    await gateway.greet(gateway.epoch.transcript)
    without = gateway.device(monitor.pk)
    without.seq = 30
    assert (await gateway.send(_reading(without)))["code"] == "frame_forged"
    own = gateway.device(monitor.pk, paired.root)
    own.seq, own.counter = 40, 10
    assert (await gateway.send(_reading(own)))["type"] == "ack"
    key = database_sync_to_async(key_of_epoch)
    await database_sync_to_async(monitor.refresh_from_db)()
    assert (await key(monitor, before.epoch)).key == before.key
    assert (await key(monitor, own.epoch)).key == own.key


async def test_a_device_s_revoked_certificate_keeps_its_frames_out(gateway, monitor) -> None:
    paired = await database_sync_to_async(lambda: pair_now(monitor))()
    await gateway.connect()
    device = gateway.device(monitor.pk, paired.root)
    assert (await gateway.send(_reading(device)))["type"] == "ack"
    await database_sync_to_async(lambda: revoke(Certificate.objects.get(device=monitor)))()
    deadline = time.monotonic() + 30
    while (answer := await gateway.send(_reading(device)))["type"] == "ack" and time.monotonic() < deadline:
        pass
    assert answer["code"] == "frame_wrong_device"


async def test_a_device_registered_later_is_heard_in_the_open_epoch(gateway, row, patient) -> None:
    await gateway.connect()
    later, _ = await database_sync_to_async(register_device)(
        serial="M-2", kind="vital_signs_monitor", label="Later", gateway=row, patient=patient
    )
    device = gateway.device(later.pk)
    deadline = time.monotonic() + 30
    while (answer := await gateway.send(_reading(device)))["type"] != "ack" and time.monotonic() < deadline:
        pass
    assert answer["type"] == "ack"


async def test_one_gateway_does_not_speak_for_a_device_of_another(gateway, ward, patient) -> None:
    def make() -> tuple[PairedGateway, Device]:
        from devices.services.registry import register_gateway

        other = register_gateway(name="gw-2", ward=ward)
        made = register_device(serial="M-9", kind="cgm", label="x", gateway=other, patient=patient)[0]
        return PairedGateway.of(other), made

    _, foreign = await database_sync_to_async(make)()
    await gateway.connect()
    assert (await gateway.send(_reading(gateway.device(foreign.pk))))["code"] == "frame_wrong_device"


async def test_the_session_on_record_holds_as_evidence(gateway) -> None:
    await gateway.connect()
    session = await database_sync_to_async(GatewaySession.objects.get)()
    assert session.said
    assert session.transcript.holds()
    assert not session.transcript._replace(nonce=bytes(32)).holds()
    assert not session.transcript._replace(gateway_id=session.gateway_id + 1).holds()
    assert not session.transcript._replace(said=b"").holds()


async def test_a_certificate_in_its_last_third_is_renewed_at_the_greeting(gateway, row) -> None:
    from datetime import timedelta

    from django.utils import timezone

    from devices.protocol.certificates import ends_at
    from devices.protocol.mutual import renewed_certificate

    now = timezone.now()
    await database_sync_to_async(
        lambda: Certificate.objects.filter(gateway=row).update(
            not_before=now - timedelta(days=360), not_after=now + timedelta(days=5)
        )
    )()
    challenge = await gateway.open()
    greeting = gateway.greeting()
    await gateway.say(greeting.hello(bytes.fromhex(challenge["nonce"]), now=time.time(), software="toy"))
    welcome = await gateway.hear_welcome()
    greeting.check(welcome, now=time.time())
    identity = LinkIdentity(gateway.key, gateway.paired.certificate, gateway.paired.authority)
    der, said, _ = renewed_certificate(welcome, identity, gateway.id, time.time())
    assert ends_at(der) > now + timedelta(days=300)
    assert said.public_key == gateway.key.public_key().public_bytes_raw()


async def test_epoch_numbers_never_come_back(gateway, row) -> None:
    await gateway.connect()
    first = gateway.epoch.number
    await database_sync_to_async(lambda: Gateway.objects.filter(pk=row.pk).update(epoch=first + 1000))()
    await gateway.connect()
    assert gateway.epoch.number == first + 1001

    def restore_a_copy() -> None:  # the database forgets that there ever was an epoch
        Gateway.objects.filter(pk=row.pk).update(epoch=0)
        KeyEpoch.objects.all().delete()

    await database_sync_to_async(restore_a_copy)()
    await gateway.connect()
    assert gateway.epoch.number >= first
