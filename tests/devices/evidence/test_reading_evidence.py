"""The panel behind a number: it says what holds, and tells whatever was changed behind the house's back."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from django.db.models import Value
from django.db.models.functions import Concat
from django.utils import timezone

from compliance.models import LogCheckpoint, LogEntry, LogTile
from compliance.services.log import sequence
from devices.evidence.tree import leads_to
from devices.models import FrameSeal, GatewaySession
from devices.services import sealing
from devices.services.registry import assign_device, renew_device_key
from devices.services.telemetry import store
from devices.telemetry import READING, ReadingBatch
from tests.conftest import SIGN_IN_BACKEND
from tests.devices.evidence.scene import Scene, device_again, into_the_log, tamper

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene(patient) -> Scene:
    return Scene(patient)


@pytest.fixture
def nurse(client, cast):
    client.force_login(cast["nurse"], backend=SIGN_IN_BACKEND)
    return client


def panel(client, url: str) -> str:
    """Return the panel's words, as a reader has them."""
    answer = client.get(url, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def outcomes(client, url: str) -> list[str]:
    text = client.get(url, headers={"HX-Request": "true"}).content.decode()
    return re.findall(r'check-line (\w+)"', text)


def test_a_sealed_reading_is_verified_in_plain_words_first(nurse, scene, settings):
    first, second = scene.send(71.0, 72.0)
    into_the_log(settings)
    for seq, value in ((first, "71"), (second, "72")):
        words = panel(nurse, scene.url(seq))
        assert f"Heart rate {value}" in words
        assert "Verified" in words
        assert "This value arrived sealed from Monitor M-12 through gateway gw" in words
        assert set(outcomes(nurse, scene.url(seq))) == {"holds"}


def test_a_reading_that_no_root_covers_yet_says_so(nurse, scene):
    (seq,) = scene.send(71.0)
    assert "Holds so far" in panel(nurse, scene.url(seq))
    assert outcomes(nurse, scene.url(seq))[-1] == "waiting"


def test_a_root_that_nobody_cosigned_yet_says_so(nurse, scene):
    (seq,) = scene.send(71.0)
    sealing.seal_frames(store())
    assert outcomes(nurse, scene.url(seq))[-3:] == ["waiting"] * 3
    sequence()
    assert outcomes(nurse, scene.url(seq))[-3:] == ["holds", "holds", "waiting"]
    assert "0 of the 2" in panel(nurse, scene.url(seq))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda: LogEntry.objects.update(record='{"root":"00"}'), "The log's entry says something else"),
        (lambda: LogEntry.objects.update(commitment=bytes(32)), "The log's entry says something else"),
        (lambda: LogEntry.objects.all().delete(), "The log has no entry for it"),
        (lambda: LogTile.objects.update(hashes=bytes(32)), "The proof does not hold"),
        (lambda: LogCheckpoint.objects.update(note=Concat(Value("x"), "note")), "does not hold"),
    ],
)
def test_a_log_that_was_changed_by_direct_sql_is_told(nurse, scene, settings, change, said):
    scene.send(70.0)
    into_the_log(settings)
    (seq,) = scene.send(71.0)
    into_the_log(settings)
    change()
    words = panel(nurse, scene.url(seq)).replace("&#x27;", "'")
    assert said in words
    assert "Verified" not in words


def test_a_page_of_its_own_opens_without_javascript(nurse, scene):
    (seq,) = scene.send(71.0)
    answer = nurse.get(scene.url(seq))
    assert answer.status_code == 200
    assert "<!doctype html>" in answer.content.decode()


def spoil_reading(seq: int) -> None:
    tamper("update reading set value = 99 where seq = ?", seq)


def spoil_frame(_seq: int) -> None:
    (stored,) = store().unsealed_groups(1) or store().groups_sealed(str(FrameSeal.objects.get().pk))
    whole = store().groups_received(stored.received)[0].group.frames
    tamper("update frame_group set frames = ?", whole[:-1] + bytes([whole[-1] ^ 1]))


def spoil_hash(_seq: int) -> None:
    tamper("update frame_group set hashes = ?", bytes(32))


def spoil_root(_seq: int) -> None:
    FrameSeal.objects.update(root=bytes(32))


def spoil_session(_seq: int) -> None:
    GatewaySession.objects.update(signature=bytes(64))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_reading, "The device sealed 71; the store says 99."),
        (spoil_frame, "Its SHA-256 is not the one that was kept"),
        (spoil_hash, "does not lead to the root"),
        (spoil_root, "does not lead to the root"),
        (spoil_session, "does not prove the gateway's key"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_was_changed_by_direct_sql_is_told(nurse, scene, spoil, said):
    (seq,) = scene.send(71.0)
    sealing.seal_frames(store())
    spoil(seq)
    words = panel(nurse, scene.url(seq)).replace("&#x27;", "'")
    assert "Do not rely on this value" in words
    assert said in words


def test_a_frame_that_was_taken_out_is_missed(nurse, scene):
    (seq,) = scene.send(71.0)
    tamper("delete from frame_group where received > ?", 0.0)
    assert "Not complete" in panel(nurse, scene.url(seq))
    assert "missing" in outcomes(nurse, scene.url(seq))


def test_a_reading_from_before_frames_were_kept_says_that_nothing_proves_it(nurse, scene):
    rows = [(scene.device.pk, 0x0002_4182, 1, 1.7e9, 70.0)]
    store().write(ReadingBatch(np.array(rows, READING), received_at=1.7e9))
    assert "No frame is stored for this reading" in panel(nurse, scene.url(1))


def test_after_its_time_the_frame_is_gone_and_hash_and_proof_remain(nurse, scene, settings):
    (seq,) = scene.send(71.0)
    into_the_log(settings)
    store().drop_frames_before(timezone.now().timestamp() + 10, 10)
    words = panel(nurse, scene.url(seq))
    assert "The hash that was kept of it, and the proof, remain." in words
    assert outcomes(nurse, scene.url(seq))[-1] == "holds"


def test_a_frame_of_a_former_key_still_opens_until_that_key_is_let_go(nurse, scene, settings):
    (seq,) = scene.send(71.0)
    into_the_log(settings)
    renew_device_key(device=scene.device)
    assert "Verified" in panel(nurse, scene.url(seq))
    device_again(scene).former_keys.all().delete()
    assert "The key of that time is no longer kept" in panel(nurse, scene.url(seq))


def test_the_bundle_lets_an_outsider_follow_the_frame_to_its_root(nurse, scene):
    scene.send(70.0)
    (seq,) = scene.send(71.0)
    sealing.seal_frames(store())
    answer = nurse.get(f"{scene.url(seq)}proof/")
    bundle = json.loads(answer.content)
    assert "attachment" in answer["Content-Disposition"]
    assert scene.toy.key.hex() not in answer.content.decode()
    root = bundle["root"]
    path = [bytes.fromhex(node) for node in root["path"]]
    leaf = bytes.fromhex(root["leaf"])
    assert leaf.hex() == bundle["frame_sha256"] + bundle["session"]["digest"]
    assert leads_to(bytes.fromhex(root["root"]), leaf, root["index"], root["size"], path)


@pytest.mark.parametrize(("who", "status"), [("nurse", 200), ("caregiver", 200), ("outsider", 404)])
def test_evidence_is_for_those_who_may_see_the_patient(client, cast, scene, who, status):
    (seq,) = scene.send(71.0)
    client.force_login(cast[who], backend=SIGN_IN_BACKEND)
    for url in (scene.url(seq), f"{scene.url(seq)}proof/"):
        assert client.get(url).status_code == status


def test_a_reading_stays_with_the_patient_who_wore_the_device(client, cast, scene, foreign_patient):
    (seq,) = scene.send(71.0)
    assign_device(device=scene.device, patient=foreign_patient)
    client.force_login(cast["caregiver"], backend=SIGN_IN_BACKEND)
    assert client.get(scene.url(seq)).status_code == 200  # hers, though the device went to another since
    (later,) = scene.send(72.0)
    assert client.get(scene.url(later)).status_code == 404


@pytest.mark.parametrize("seq", [2, 2**63, 2**70])
def test_what_does_not_exist_gets_the_answer_of_what_is_forbidden(nurse, scene, seq):
    scene.send(71.0)
    assert nurse.get(scene.url(seq)).status_code == 404
    assert nurse.get(f"/evidence/reading/{2**70}/1/").status_code == 404
