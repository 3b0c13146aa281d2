"""The machines' door over HTTP: who may send, what is refused, and that every step may be repeated."""

from __future__ import annotations

import json
import time
from uuid import uuid4

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from compliance.models import Event
from imaging.agent import Spool, StudyNote
from imaging.models import ImagingJob, Study, Upload
from imaging.sealing import Manifest, OpeningKey
from imaging.sealing.manifest import sign
from imaging.sealing.request import sign_request
from imaging.services import files, incoming, uploads

pytestmark = pytest.mark.django_db
URL = "/imaging/uploads/"


@pytest.fixture
def spooled(tmp_path, kspace_folder, identity, patient):  # type: ignore[no-untyped-def]
    return Spool(tmp_path / "spool").seal(kspace_folder, StudyNote(patient=patient.pk), identity)


@pytest.fixture
def ask(client, identity):  # type: ignore[no-untyped-def]
    """Return a maker of signed requests."""

    def ask(method, path, body=b"", *, key=None, gateway=None, now_s=None, sign_as=None):  # type: ignore[no-untyped-def]
        headers = sign_request(
            key or identity.signing_key,
            gateway or identity.gateway,
            method,
            sign_as or path,
            body,
            time.time() if now_s is None else now_s,
        )
        return client.generic(method, path, body, content_type="application/octet-stream", headers=headers)

    return ask


@pytest.fixture
def announce(ask, spooled):  # type: ignore[no-untyped-def]
    def announce(manifest=None, signature=None, **options):  # type: ignore[no-untyped-def]
        fields = {
            "manifest": (manifest or spooled.manifest).decode(),
            "signature": (signature or spooled.signature).hex(),
        }
        return ask("POST", URL, json.dumps(fields).encode(), **options)

    return announce


def resigned(spooled, identity, **changes) -> tuple[bytes, bytes]:  # type: ignore[no-untyped-def]
    manifest = msgspec.structs.replace(msgspec.json.decode(spooled.manifest, type=Manifest), **changes)
    raw = manifest.encode()
    return raw, sign(raw, identity.signing_key)


def events() -> list[str]:
    return list(Event.objects.values_list("code", flat=True))


def test_study_goes_in_piece_by_piece(announce, ask, spooled) -> None:
    assert announce().json() == {"missing": [0]}
    path = f"{URL}{spooled.study}/"
    assert ask("POST", f"{path}complete/").status_code == 409
    assert ask("PUT", f"{path}chunks/0/", spooled.piece(0)).status_code == 200
    assert ask("GET", path).json() == {"missing": []}
    assert ask("POST", f"{path}complete/").json() == {"study": str(spooled.study)}
    assert Study.objects.get().pk == spooled.study


def test_every_step_may_be_repeated(announce, ask, spooled) -> None:
    path = f"{URL}{spooled.study}/"
    for _ in range(2):
        announce()
        assert ask("PUT", f"{path}chunks/0/", spooled.piece(0)).status_code == 200
        assert ask("POST", f"{path}complete/").status_code == 200
    assert announce().json() == {"missing": []}
    assert Study.objects.count() == ImagingJob.objects.count() == Upload.objects.count() == 1


@pytest.mark.parametrize(
    "options",
    [
        {"key": Ed25519PrivateKey.from_private_bytes(b"\x05" * 32)},
        {"gateway": 999},
        {"now_s": time.time() - 86_400},
        {"now_s": time.time() + 86_400},
        {"now_s": float("nan")},
        {"sign_as": "/imaging/uploads/other/"},
    ],
)
def test_request_that_is_not_the_gateways_is_refused_and_on_record(announce, options) -> None:
    answer = announce(**options)
    assert (answer.status_code, answer.json()["error"]) == (401, "request_refused")
    assert "request_refused" in events()
    assert not Upload.objects.exists()


def test_body_is_part_of_what_is_signed(client, identity, spooled, announce) -> None:
    announce()
    path = f"{URL}{spooled.study}/chunks/0/"
    headers = sign_request(identity.signing_key, identity.gateway, "PUT", path, b"other", time.time())
    answer = client.generic("PUT", path, spooled.piece(0), content_type="application/octet-stream", headers=headers)
    assert answer.status_code == 401


def test_unsigned_request_is_refused(client, hospital) -> None:
    assert client.post(URL, b"{}", content_type="application/json").status_code == 401


def test_quarantined_gateway_is_refused(announce, scanner) -> None:
    scanner.state = "quarantined"
    scanner.save()
    assert announce().status_code == 401


def test_altered_piece_is_refused_and_may_be_sent_again(announce, ask, spooled) -> None:
    announce()
    path = f"{URL}{spooled.study}/chunks/0/"
    piece = bytearray(spooled.piece(0))
    piece[10] ^= 1
    answer = ask("PUT", path, bytes(piece))
    assert (answer.status_code, answer.json()["error"], answer.json()["permanent"]) == (422, "chunk_altered", False)
    assert incoming.missing(spooled.study, 1) == [0]
    assert ask("PUT", path, spooled.piece(0)).status_code == 200


def test_piece_beyond_the_end_is_refused(announce, ask, spooled) -> None:
    announce()
    assert ask("PUT", f"{URL}{spooled.study}/chunks/7/", b"x").json()["error"] == "study_malformed"


def test_oversized_request_is_refused(announce, ask, spooled) -> None:
    announce()
    answer = ask("PUT", f"{URL}{spooled.study}/chunks/0/", bytes(3 << 20))
    assert (answer.status_code, answer.json()["error"]) == (413, "study_too_large")


def test_manifest_of_another_gateway_is_refused(announce, spooled, identity) -> None:
    raw, signature = resigned(spooled, identity, gateway=identity.gateway + 1)
    assert announce(raw, signature).json()["error"] == "study_signer_wrong"
    assert announce(spooled.manifest, bytes(64)).json()["error"] == "study_signer_wrong"
    assert "study_signer_wrong" in events()


def test_study_for_another_hospital_is_refused_at_the_door(announce, spooled, identity) -> None:
    from imaging.sealing.keys import fingerprint

    other = fingerprint(OpeningKey(b"\x01" * 32).public_bytes)
    raw, signature = resigned(spooled, identity, hospital_key=other)
    assert announce(raw, signature).json()["error"] == "study_key_wrong"


def test_patient_of_another_ward_is_refused(announce, spooled, identity, foreign_patient) -> None:
    for wrong in (foreign_patient.pk, uuid4()):
        raw, signature = resigned(spooled, identity, patient=wrong)
        assert announce(raw, signature).json()["error"] == "study_patient_wrong"
    assert not Upload.objects.exists()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"manifest": 1, "signature": "zz"}', b"\xff", b"[" * 100_000])
def test_unreadable_announcement_is_refused(ask, body) -> None:
    assert ask("POST", URL, body).json()["error"] == "study_malformed"


def test_gateway_cannot_touch_the_upload_of_another(announce, ask, spooled, ward) -> None:
    from devices.models import Gateway

    announce()
    key = Ed25519PrivateKey.generate()
    other = Gateway.objects.create(name="MR 2", ward=ward, public_key=key.public_key().public_bytes_raw())
    for method, path, body in (("GET", "", b""), ("PUT", "chunks/0/", spooled.piece(0)), ("POST", "complete/", b"")):
        answer = ask(method, f"{URL}{spooled.study}/{path}", body, key=key, gateway=other.pk)
        assert (answer.status_code, answer.json()["error"]) == (404, "upload_unknown")


def test_new_manifest_starts_an_unfinished_study_over(announce, spooled, identity, ask) -> None:
    announce()
    ask("PUT", f"{URL}{spooled.study}/chunks/0/", spooled.piece(0))
    raw, signature = resigned(spooled, identity, sealed_at=1.0)
    assert announce(raw, signature).json() == {"missing": [0]}


def test_too_many_unfinished_uploads_are_refused(announce, spooled, identity, monkeypatch) -> None:
    monkeypatch.setattr(uploads, "MAX_OPEN_UPLOADS", 1)
    announce()
    raw, signature = resigned(spooled, identity, study=uuid4())
    answer = announce(raw, signature)
    assert (answer.status_code, answer.json()["permanent"]) == (429, False)


def test_full_disk_is_named_and_not_final(announce, monkeypatch) -> None:
    monkeypatch.setattr(files, "RESERVE_BYTES", 1 << 62)
    answer = announce()
    assert (answer.status_code, answer.json()["error"], answer.json()["permanent"]) == (507, "storage_full", False)
    assert "storage_full" in events()


def test_uploads_that_nobody_finished_are_dropped(announce, spooled, ask) -> None:
    announce()
    ask("PUT", f"{URL}{spooled.study}/chunks/0/", spooled.piece(0))
    uploads.forget_stale()
    assert Upload.objects.exists()
    Upload.objects.update(begun_at="2026-01-01T00:00:00Z")
    uploads.forget_stale()
    assert not Upload.objects.exists()
    assert not incoming.folder_of(spooled.study).exists()


def test_flood_of_refusals_stays_one_event(announce) -> None:
    for _ in range(5):
        announce(gateway=999)
    assert [event.count for event in Event.objects.filter(code="request_refused")] == [5]
