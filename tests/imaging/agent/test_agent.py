"""The scanner gateway's agent seals what is settled, keeps it until it is received, and tells final refusals apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from devices.gateway.turn import LineTurn
from imaging.agent import Identity, Spool, StudyNote, deliver, read_note
from imaging.agent.__main__ import SEALED, seal_new, upload_waiting, urgent_waits
from imaging.agent.config import AgentConfig, read_config, read_identity
from imaging.agent.source import content_of
from imaging.agent.spool import Spooled
from imaging.errors import (
    ChunkAltered,
    ChunkMissing,
    KSpaceMalformed,
    NotDicom,
    StorageFull,
    StudyMalformed,
    StudyPatientWrong,
)
from imaging.sealing import OpeningKey, open_study, read_manifest

HOSPITAL = OpeningKey(b"\x11" * 32)


@pytest.fixture
def me() -> Identity:
    return Identity(7, Ed25519PrivateKey.from_private_bytes(b"\x22" * 32), HOSPITAL.public_bytes)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


class FakeServer:
    """A door that remembers pieces in memory and fails as told."""

    def __init__(self) -> None:
        self.kept: dict[int, bytes] = {}
        self.count = 0
        self.refuse: Exception | None = None
        self.spoil_once = False

    def begin(self, manifest: bytes, signature: bytes) -> list[int]:
        if self.refuse:
            raise self.refuse
        self.count = len(json.loads(manifest)["chunks"])
        return [index for index in range(self.count) if index not in self.kept]

    def missing(self, study: UUID) -> list[int]:
        return [index for index in range(self.count) if index not in self.kept]

    def put(self, study: UUID, index: int, piece: bytes) -> None:
        if self.spoil_once:
            self.spoil_once = False
            raise ChunkAltered
        self.kept[index] = piece

    def complete(self, study: UUID) -> None:
        if self.missing(study):
            raise ChunkMissing


def opened(spooled: Spooled, me: Identity) -> dict[str, bytes]:
    manifest = read_manifest(spooled.manifest, spooled.signature, me.signing_key.public_key().public_bytes_raw())
    pieces = [spooled.piece(index) for index in range(len(manifest.chunks))]
    return {entry.name: entry.data for entry in open_study(manifest, pieces, HOSPITAL)}


def test_sealed_kspace_holds_slices_masks_and_note_under_plain_names(spool, me, kspace_folder) -> None:
    np.save(kspace_folder / "slice_1.mask.npy", np.ones((64, 64), bool))
    (kspace_folder / "readme.txt").write_text("not sent")
    found = opened(spool.seal(kspace_folder, StudyNote(description="Knee"), me), me)
    assert sorted(found) == ["00000.npy", "00001.mask.npy", "00001.npy", "study.json"]
    assert found["00000.npy"] == (kspace_folder / "slice_0.npy").read_bytes()
    assert json.loads(found["study.json"]) == {"description": "Knee"}


def test_folder_without_images_is_named(spool, me, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("nothing")
    with pytest.raises(NotDicom):
        content_of(tmp_path / "empty")


def test_broken_kspace_is_refused_before_it_is_sealed(spool, me, tmp_path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "a.npy").write_bytes(b"broken")
    with pytest.raises(KSpaceMalformed):
        spool.seal(folder, StudyNote(), me)
    assert not list((tmp_path / "spool").iterdir())


def test_same_study_has_the_same_identifier_another_patient_another(spool, me, kspace_folder, tmp_path) -> None:
    first = spool.seal(kspace_folder, StudyNote(), me)
    assert Spool(tmp_path / "second").seal(kspace_folder, StudyNote(), me).study == first.study
    assert spool.seal(kspace_folder, StudyNote(patient=uuid4()), me).study != first.study


def test_sealing_leaves_no_plaintext(spool, me, kspace_folder) -> None:
    spooled = spool.seal(kspace_folder, StudyNote(), me)
    assert {path.suffix for path in spooled.folder.iterdir()} == {".piece", ".json", ""}


def test_half_sealed_study_of_a_killed_agent_is_forgotten(spool, tmp_path) -> None:
    (tmp_path / "spool" / "draft-abc").mkdir()
    assert list(spool.waiting()) == []
    spool.forget_drafts()
    assert not list((tmp_path / "spool").iterdir())


def test_delivery_sends_only_what_is_missing(spool, me, kspace_folder) -> None:
    spooled, server = spool.seal(kspace_folder, StudyNote(), me), FakeServer()
    assert deliver(spooled, server) == 1
    assert deliver(spooled, server) == 0


def test_piece_spoilt_on_the_way_is_sent_again(spool, me, kspace_folder) -> None:
    server = FakeServer()
    server.spoil_once = True
    deliver(spool.seal(kspace_folder, StudyNote(), me), server)
    assert not server.missing(uuid4())


@pytest.mark.parametrize("error", [StorageFull(), ConnectionRefusedError()])
def test_refusal_that_is_not_final_keeps_the_study(spool, me, kspace_folder, error) -> None:
    spool.seal(kspace_folder, StudyNote(), me)
    server = FakeServer()
    server.refuse = error
    assert not upload_waiting(spool, server)
    server.refuse = None
    assert upload_waiting(spool, server)
    assert list(spool.waiting()) == []


def test_final_refusal_sets_the_study_aside_with_its_reason(spool, me, kspace_folder, tmp_path) -> None:
    spool.seal(kspace_folder, StudyNote(), me)
    server = FakeServer()
    server.refuse = StudyPatientWrong()
    assert upload_waiting(spool, server)
    aside = next((tmp_path / "spool").iterdir())
    assert aside.name.startswith("refused-")
    assert (aside / "reason.txt").read_text().startswith("study_patient_wrong")
    assert list(spool.waiting()) == []


def test_urgent_study_is_delivered_before_an_older_routine_one(spool, me, kspace_folder) -> None:
    routine = spool.seal(kspace_folder, StudyNote(), me)
    urgent = spool.seal(kspace_folder, StudyNote(urgency="stat"), me)
    assert [one.study for one in spool.waiting()] == [urgent.study, routine.study]


def test_routine_pieces_wait_for_the_line_and_urgent_ones_hold_it(spool, me, kspace_folder, tmp_path) -> None:
    turn, seen = LineTurn(tmp_path / "turn"), []
    looking = LineTurn(tmp_path / "turn")

    class Watching(FakeServer):
        def put(self, study: UUID, index: int, piece: bytes) -> None:
            seen.append(looking.wait_for_quiet(at_most_s=0.0))
            super().put(study, index, piece)

    deliver(spool.seal(kspace_folder, StudyNote(), me), Watching(), turn)
    deliver(spool.seal(kspace_folder, StudyNote(urgency="urgent"), me), Watching(), turn)
    assert seen == [True, False]


def test_routine_study_gives_way_to_an_urgent_one_and_is_finished_later(config, spool, me, kspace_folder) -> None:
    spool.seal(kspace_folder, StudyNote(), me)
    urgent = config.inbox / "urgent"
    urgent.mkdir()
    (urgent / "study.json").write_text('{"urgency": "stat"}')
    later, server = time.time() + 60, FakeServer()
    assert not upload_waiting(spool, server, overtaken=lambda: urgent_waits(config, later))
    assert not server.kept
    (urgent / SEALED).write_text("sealed")
    assert upload_waiting(spool, server, overtaken=lambda: urgent_waits(config, later))
    assert list(spool.waiting()) == []


@pytest.fixture
def config(tmp_path: Path) -> AgentConfig:
    (tmp_path / "inbox").mkdir()
    nowhere = tmp_path / "none"
    return AgentConfig(7, "http://127.0.0.1:1", nowhere, nowhere, tmp_path / "inbox", tmp_path / "spool", settle_s=30.0)


def test_folder_is_taken_once_it_is_settled_and_only_once(config, spool, me, kspace_folder) -> None:
    folder = kspace_folder.rename(config.inbox / "study")
    now = time.time()
    seal_new(config, spool, me, now)
    assert list(spool.waiting()) == []
    for _ in range(2):
        seal_new(config, spool, me, now + 60)
    assert (folder / SEALED).read_text().strip() == next(spool.waiting()).folder.name
    assert len(list(spool.waiting())) == 1


def test_folder_that_cannot_be_sealed_is_marked_with_the_reason(config, spool, me) -> None:
    (config.inbox / "wrong").mkdir()
    seal_new(config, spool, me, time.time() + 60)
    assert (config.inbox / "wrong" / SEALED).read_text().startswith("refused: not_dicom")


def test_note_is_read_or_named(tmp_path) -> None:
    patient = uuid4()
    (tmp_path / "study.json").write_text(json.dumps({"patient": str(patient), "urgency": "stat"}))
    assert read_note(tmp_path) == StudyNote(patient=patient, urgency="stat")
    (tmp_path / "study.json").write_text('{"urgency": "now"}')
    with pytest.raises(StudyMalformed):
        read_note(tmp_path)


def test_configuration_is_read_from_its_own_folder_or_named(tmp_path) -> None:
    (tmp_path / "k").write_text("22" * 32)
    (tmp_path / "h").write_bytes(HOSPITAL.public_bytes)
    fields = {
        "gateway_id": 7,
        "server": "http://x",
        "private_key_file": "k",
        "hospital_public_key_file": "h",
        "inbox": "i",
        "spool": "s",
    }
    (tmp_path / "agent.json").write_text(json.dumps(fields))
    config = read_config(tmp_path / "agent.json")
    assert config.inbox == tmp_path / "i"
    assert read_identity(config).signing_key.private_bytes_raw() == b"\x22" * 32
    (tmp_path / "agent.json").write_text(json.dumps(fields | {"surprise": 1}))
    with pytest.raises(StudyMalformed, match="surprise"):
        read_config(tmp_path / "agent.json")
    (tmp_path / "k").write_text("no key")
    with pytest.raises(StudyMalformed, match="Ed25519"):
        read_identity(config)


def test_agent_runs_without_django_and_torch() -> None:
    code = "import imaging.agent.__main__, sys; print({'django', 'torch', 'celery'} & set(sys.modules))"
    made = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "set()"
