"""Codes and the server's door: what pairs, what is refused, and under which name that is recorded."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from compliance.models import Event, LogEntry
from devices.errors import CertificateForeign, PairingRefused
from devices.gateway.identity import IdentityUnusable, load_identities
from devices.gateway.pair import IDENTITY, UNFINISHED, pair
from devices.models import Certificate, CertificateState, Device, Gateway, Pairing, PairingRun
from devices.pairing import gateway_side
from devices.pairing.address import parse_uri
from devices.pairing.codes import canonical, new_code
from devices.protocol.certificates import Kind, Subject, check
from devices.protocol.suites import Suite
from devices.selectors.keys import device_root_box, gateway_root_box
from devices.services.authority import authority_fingerprint, house_authority, revoke, server_identity
from devices.services.pairing import MOST_RUNS, MOST_WRONG, begin_pairing, withdraw
from devices.services.registry import RegistrationRefused

pytestmark = pytest.mark.django_db
Post = Callable[[bytes], bytes]
SERVER = "https://house.example"


def _codes() -> list[str]:
    return list(Event.objects.order_by("pk").values_list("code", flat=True))


def test_a_gateway_pairs_from_an_empty_folder(gateway, post: Post, tmp_path: Path) -> None:
    new = begin_pairing(owner=gateway, server=SERVER)
    paired = pair(new.address, tmp_path / "gw", post)
    gateway.refresh_from_db()
    kept = load_identities(tmp_path / "gw" / IDENTITY)
    assert (
        kept.root
        == paired.root
        == gateway_root_box().open(bytes(gateway.root_sealed), b"urn:medtwin:gateway:%d" % gateway.pk)
    )
    assert kept.link.key.public_key().public_bytes_raw() == bytes(gateway.public_key)
    certificate = gateway.certificates.get(profile="link")
    assert bytes(certificate.content) == kept.link.certificate
    assert certificate.standing == "valid"
    assert {"pairing_code_made", "certificate_issued", "gateway_paired"} <= set(_codes())
    assert not (tmp_path / "gw" / UNFINISHED).exists()


def test_everything_that_a_pairing_leaves_on_a_gateway_is_for_its_user_alone(gateway, post, tmp_path: Path) -> None:
    pair(begin_pairing(owner=gateway, server=SERVER).address, tmp_path / "gw", post)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "gw").iterdir()} == {0o600}
    assert (tmp_path / "gw").stat().st_mode & 0o777 == 0o700


def test_a_device_pairs_through_its_gateway_and_gets_a_root_of_its_own(gateway, device, post, tmp_path: Path) -> None:
    pair(begin_pairing(owner=gateway, server=SERVER).address, tmp_path, post)
    paired = pair(begin_pairing(owner=device, server=SERVER).address, tmp_path, post)
    device.refresh_from_db()
    assert device_root_box().open(bytes(device.root_sealed)) == paired.root
    assert load_identities(tmp_path / IDENTITY).device_root(device.pk) == paired.root
    subject = Subject(Kind.DEVICE, device.pk)
    assert check(paired.certificate, paired.authority, expected=subject, now=timezone.now())
    from devices.gateway.config import load

    (tmp_path / "config.json").write_text(
        (tmp_path / "config.json").read_text().replace('"entry": ""', '"entry": "x:y"')
    )
    assert [one.device_id for one in load(tmp_path / "config.json").devices] == [device.pk]


def test_a_device_is_not_paired_in_a_folder_without_a_gateway(gateway, device, post, tmp_path: Path) -> None:
    with pytest.raises(IdentityUnusable, match="gateway of this folder first"):
        pair(begin_pairing(owner=device, server=SERVER).address, tmp_path, post)


def test_a_folder_belongs_to_one_gateway(gateway, ward, post, tmp_path: Path) -> None:
    from devices.services.registry import register_gateway

    pair(begin_pairing(owner=gateway, server=SERVER).address, tmp_path, post)
    other = register_gateway(name="South", ward=ward)
    with pytest.raises(IdentityUnusable, match="another one"):
        pair(begin_pairing(owner=other, server=SERVER).address, tmp_path, post)


def test_the_database_holds_no_code(gateway) -> None:
    new = begin_pairing(owner=gateway, server=SERVER)
    symbols = canonical(new.address.code) or ""
    held = bytes(Pairing.objects.get().code_hash)
    assert symbols.encode() not in held
    assert len(held) == 32
    said = " ".join(f"{event.message} {event.detail}" for event in Event.objects.all())
    said += " ".join(entry.record or "" for entry in LogEntry.objects.all())
    assert new.address.code not in said
    assert symbols not in said


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda new: Pairing.objects.update(expires_at=timezone.now()), "pairing_code_expired"),
        (lambda new: withdraw(new.pairing), "pairing_code_expired"),
        (lambda new: Gateway.objects.update(state="retired"), "pairing_code_expired"),
        (lambda new: Pairing.objects.all().delete(), "pairing_unknown"),
        (lambda new: Pairing.objects.update(state="paired"), "pairing_code_used"),
        (lambda new: Pairing.objects.update(state="dead"), "pairing_code_dead"),
    ],
)
@pytest.mark.parametrize("before_m3", [False, True])
def test_a_code_that_is_over_pairs_nothing_and_all_are_told_the_same(
    gateway, post: Post, spoil: Callable[[object], object], named: str, before_m3: bool
) -> None:
    new = begin_pairing(owner=gateway, server=SERVER)
    run = gateway_side.Pairing(new.address, software="test")
    offer = run.offer(time.time())
    if before_m3:
        offer = run.prove(post(offer), time.time()).message
    spoil(new)
    with pytest.raises(PairingRefused, match="403 pairing_refused"):
        post(offer)
    assert named in _codes()
    gateway.refresh_from_db()
    assert gateway.root_sealed is None
    assert not gateway.certificates.exists()


def test_five_wrong_codes_kill_a_pairing_and_even_the_right_one_is_refused_then(gateway, post: Post, tmp_path) -> None:
    new = begin_pairing(owner=gateway, server=SERVER)
    for count in range(1, MOST_WRONG + 1):
        with pytest.raises(PairingRefused, match="403 pairing_refused"):
            pair(new.address._replace(code=new_code()), tmp_path / str(count), post)
        assert Pairing.objects.get().wrong == count
    assert Pairing.objects.get().state == "dead"
    assert _codes().count("pairing_code_guessed") == 1
    assert "pairing_code_wrong" in _codes()
    with pytest.raises(PairingRefused, match="403 pairing_refused"):
        pair(new.address, tmp_path / "right", post)
    assert "pairing_code_dead" in _codes()
    assert not Certificate.objects.exclude(gateway=None).exists()


def test_four_wrong_codes_leave_the_right_one_alone(gateway, post: Post, tmp_path: Path) -> None:
    new = begin_pairing(owner=gateway, server=SERVER)
    for count in range(MOST_WRONG - 1):
        with pytest.raises(PairingRefused):
            pair(new.address._replace(code=new_code()), tmp_path / str(count), post)
    assert pair(new.address, tmp_path / "right", post).root


def test_a_code_pairs_once(gateway, post: Post, tmp_path: Path) -> None:
    new = begin_pairing(owner=gateway, server=SERVER)
    first = pair(new.address, tmp_path / "a", post)
    with pytest.raises(PairingRefused):
        pair(new.address, tmp_path / "b", post)
    assert "pairing_code_used" in _codes()
    gateway.refresh_from_db()
    assert (
        bytes(gateway.public_key)
        == gateway_side.check(first.certificate, first.authority, expected=first.subject, now=timezone.now()).public_key
    )


def test_a_new_code_ends_the_one_before(gateway, post: Post, tmp_path: Path) -> None:
    old = begin_pairing(owner=gateway, server=SERVER)
    begin_pairing(owner=gateway, server=SERVER)
    with pytest.raises(PairingRefused):
        pair(old.address, tmp_path, post)


def test_replayed_messages_change_nothing(gateway, post: Post) -> None:
    new = begin_pairing(owner=gateway, server=SERVER)
    run = gateway_side.Pairing(new.address, software="test")
    offer = run.offer(time.time())
    proven = run.prove(post(offer), time.time())
    outcome = post(proven.message)
    before = Gateway.objects.values().get()
    assert post(proven.message) == outcome  # the same answer, which only its own gateway can read
    with pytest.raises(PairingRefused):
        post(offer)
    altered = proven.message[:-1] + bytes([proven.message[-1] ^ 1])
    with pytest.raises(PairingRefused):
        post(altered)
    assert Gateway.objects.values().get() == before
    assert gateway.certificates.filter(profile="link").count() == 1


def test_answers_of_the_server_are_no_messages_to_it(gateway, post: Post) -> None:
    new = begin_pairing(owner=gateway, server=SERVER)
    answer = post(gateway_side.Pairing(new.address, software="test").offer(time.time()))
    for reflected in (answer, answer[:5] + b"\4" + answer[6:]):
        with pytest.raises(PairingRefused):
            post(reflected)


@pytest.mark.parametrize("message", [b"", b"x", b"MTPR" + bytes(20), b"M" * 9000])
def test_what_is_no_message_is_refused_by_name(db: None, post: Post, message: bytes) -> None:
    with pytest.raises(PairingRefused, match="400 pairing_malformed"):
        post(message)
    assert _codes() == ["pairing_malformed"]


def test_a_clock_that_is_off_is_named(gateway, post: Post) -> None:
    new = begin_pairing(owner=gateway, server=SERVER)
    with pytest.raises(PairingRefused, match="gateway_clock_skewed"):
        post(gateway_side.Pairing(new.address, software="test").offer(time.time() - 3600))
    assert "gateway_clock_skewed" in _codes()


def test_too_many_runs_at_once_are_put_off(gateway, post: Post, tmp_path: Path) -> None:
    new = begin_pairing(owner=gateway, server=SERVER)
    for _ in range(MOST_RUNS):
        post(gateway_side.Pairing(new.address, software="test").offer(time.time()))
    with pytest.raises(PairingRefused):
        pair(new.address, tmp_path, post)
    assert "pairing_busy" in _codes()
    PairingRun.objects.update(began_at=timezone.now() - timedelta(minutes=2))
    assert pair(new.address, tmp_path, post)


def test_a_reference_that_names_another_subject_is_unknown(gateway, device, post: Post, tmp_path: Path) -> None:
    """Swapped ids: the code of a device does not pair a gateway, nor the other way round."""
    new = begin_pairing(owner=device, server=SERVER)
    with pytest.raises(PairingRefused):
        pair(new.address._replace(subject=Subject(Kind.GATEWAY, gateway.pk)), tmp_path, post)
    assert "pairing_unknown" in _codes()


def test_another_house_than_the_pinned_one_is_refused_by_the_gateway(gateway, post: Post, tmp_path: Path) -> None:
    new = begin_pairing(owner=gateway, server=SERVER)
    with pytest.raises(CertificateForeign):
        pair(new.address._replace(authority="ab" * 32), tmp_path, post)
    assert not (tmp_path / IDENTITY).exists()


class _Killed(Exception):
    """The power went."""


def test_a_gateway_killed_before_m4_arrives_finishes_the_same_pairing(gateway, post: Post, tmp_path: Path) -> None:
    new = begin_pairing(owner=gateway, server=SERVER)
    said: list[bytes] = []

    def cut(message: bytes) -> bytes:
        said.append(post(message))
        if len(said) == 2:
            raise _Killed
        return said[-1]

    with pytest.raises(_Killed):
        pair(new.address, tmp_path, cut)
    assert (tmp_path / UNFINISHED).stat().st_mode & 0o777 == 0o600
    gateway.refresh_from_db()
    assert gateway.root_sealed is not None
    paired = pair(new.address, tmp_path, post)
    assert paired.root == gateway_root_box().open(bytes(gateway.root_sealed), paired.subject.urn.encode())
    assert gateway.certificates.filter(profile="link").count() == 1
    assert not (tmp_path / UNFINISHED).exists()


@pytest.mark.parametrize("after", [0, 1])
def test_a_gateway_killed_before_m3_begins_anew(gateway, post: Post, tmp_path: Path, after: int) -> None:
    new = begin_pairing(owner=gateway, server=SERVER)
    said: list[bytes] = []

    def cut(message: bytes) -> bytes:
        if len(said) == after:
            raise _Killed
        said.append(post(message))
        return said[-1]

    with pytest.raises(_Killed):
        pair(new.address, tmp_path, cut)
    assert pair(new.address, tmp_path, post).root


def test_a_server_that_dies_in_the_middle_of_m3_paired_nothing(gateway, post: Post, tmp_path, monkeypatch) -> None:
    from devices.services import pairing as service

    new = begin_pairing(owner=gateway, server=SERVER)

    def die(*_: object, **__: object) -> None:
        raise _Killed

    with monkeypatch.context() as patched:
        patched.setattr(service, "supersede", die)
        with pytest.raises(_Killed):
            pair(new.address, tmp_path, post)
    gateway.refresh_from_db()
    assert gateway.root_sealed is None
    assert not gateway.certificates.exists()
    assert pair(new.address, tmp_path, post).root  # the same M3, from the disk


def test_pairing_anew_ends_the_certificate_before(gateway, post: Post, tmp_path: Path) -> None:
    pair(begin_pairing(owner=gateway, server=SERVER).address, tmp_path, post)
    first = gateway.certificates.get(profile="link")
    pair(begin_pairing(owner=gateway, server=SERVER).address, tmp_path, post)
    first.refresh_from_db()
    assert first.state == CertificateState.SUPERSEDED
    valid = gateway.certificates.filter(state=CertificateState.VALID)
    assert sorted(valid.values_list("profile", flat=True)) == ["link", "tls-client"]


def test_what_was_revoked_is_not_paired_again(gateway) -> None:
    gateway.state = "retired"
    gateway.save()
    with pytest.raises(RegistrationRefused):
        begin_pairing(owner=gateway, server=SERVER)


def test_there_is_one_authority_however_often_it_is_asked_for(db: None) -> None:
    assert house_authority().pk == house_authority().pk
    assert authority_fingerprint() == authority_fingerprint()
    assert server_identity().certificate == server_identity().certificate


def test_the_server_renews_its_own_certificate_before_it_is_over(db: None) -> None:
    before = server_identity().certificate
    now = timezone.now()
    Certificate.objects.update(not_before=now - timedelta(days=89), not_after=now + timedelta(days=1))
    after = server_identity().certificate
    assert before != after
    assert Certificate.objects.get(state=CertificateState.SUPERSEDED).key_sealed is None


def test_a_revoked_certificate_stands_on_the_list(gateway, post: Post, tmp_path: Path) -> None:
    from cryptography import x509

    from devices.services.authority import revocation_list

    pair(begin_pairing(owner=gateway, server=SERVER).address, tmp_path, post)
    certificate = gateway.certificates.get(profile="link")
    revoke(certificate, reason="lost")
    revoke(certificate, reason="again")
    assert certificate.standing == "revoked"
    assert _codes().count("certificate_revoked") == 1
    listed = x509.load_der_x509_crl(revocation_list())
    authority = x509.load_der_x509_certificate(bytes(house_authority().certificate))
    assert listed.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    assert [one.serial_number for one in listed] == [int(certificate.serial, 16)]


def test_a_device_is_paired_with_its_cipher_and_keeps_its_radio_address_when_paired_anew(
    gateway, device, post, tmp_path: Path
) -> None:
    Device.objects.filter(pk=device.pk).update(suite=Suite.AES_128_GCM)
    device.refresh_from_db()
    pair(begin_pairing(owner=gateway, server=SERVER).address, tmp_path, post)
    address = begin_pairing(owner=device, server=SERVER).address
    assert parse_uri(address.uri()) == address
    pair(address, tmp_path, post)
    config = json.loads((tmp_path / "config.json").read_text())
    entry = {"device_id": device.pk, "kind": device.kind, "suite": "aes-128-gcm"}
    assert config["devices"] == [entry]
    config["devices"][0]["address"] = "C0:11:22:33:44:55"
    (tmp_path / "config.json").write_text(json.dumps(config))
    pair(begin_pairing(owner=device, server=SERVER).address, tmp_path, post)
    assert json.loads((tmp_path / "config.json").read_text())["devices"] == [entry | {"address": "C0:11:22:33:44:55"}]
