"""Files at rest: encrypted under a key of their study, bound to their place, whole or not there."""

from __future__ import annotations

import pytest

from imaging.errors import ArchiveDamaged, OpeningKeyAbsent, StorageFull
from imaging.models import Study
from imaging.services import archive, files, keys

pytestmark = pytest.mark.django_db


@pytest.fixture
def study(scanner, hospital) -> Study:  # type: ignore[no-untyped-def]
    return Study.objects.create(gateway=scanner, content="dicom", archive_key=archive.new_study_key())


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (2 << 20) + 5])
def test_round_trip(study, size) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    archive.store(study, "a", data[:size])
    assert archive.load(study, "a") == data[:size]


def test_writing_again_never_repeats_a_key(study) -> None:
    path = archive.folder_of(study) / "a"
    archive.store(study, "a", b"same")
    first = path.read_bytes()
    archive.store(study, "a", b"same")
    assert path.read_bytes() != first


@pytest.mark.parametrize("place", [0, 20, -1])
def test_flipped_bit_is_named(study, place) -> None:
    archive.store(study, "a", b"x" * 100)
    path = archive.folder_of(study) / "a"
    changed = bytearray(path.read_bytes())
    changed[place] ^= 1
    path.write_bytes(changed)
    with pytest.raises(ArchiveDamaged):
        archive.load(study, "a")


@pytest.mark.parametrize("length", [0, 10, 16, 1 << 20, (1 << 20) + 32])
def test_cut_off_file_is_named(study, length) -> None:
    archive.store(study, "a", bytes(2 << 20))
    path = archive.folder_of(study) / "a"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ArchiveDamaged):
        archive.load(study, "a")


def test_file_in_another_place_does_not_open(study, scanner) -> None:
    other = Study.objects.create(gateway=scanner, content="dicom", archive_key=archive.new_study_key())
    archive.store(study, "a", b"secret")
    sealed = (archive.folder_of(study) / "a").read_bytes()
    files.write_whole(archive.folder_of(study) / "b", [sealed])
    files.write_whole(archive.folder_of(other) / "a", [sealed])
    for place, name in ((study, "b"), (other, "a"), (study, "absent")):
        with pytest.raises(ArchiveDamaged):
            archive.load(place, name)


def test_another_archive_key_opens_nothing(study, settings) -> None:
    archive.store(study, "a", b"secret")
    settings.ARCHIVE_KEY = "another"
    with pytest.raises(ArchiveDamaged):
        archive.load(study, "a")


def test_interrupted_write_leaves_the_old_file(tmp_path) -> None:
    def parts():  # type: ignore[no-untyped-def]
        yield b"new"
        raise OSError(28, "No space left on device")

    files.write_whole(tmp_path / "a", [b"old"])
    with pytest.raises(StorageFull):
        files.write_whole(tmp_path / "a", parts())
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_hospital_key_is_made_once_and_kept(tmp_path) -> None:
    first = keys.ensure_hospital_key(tmp_path / "k")
    seed = first.seed.read_bytes()
    assert keys.ensure_hospital_key(tmp_path / "k") == first
    assert first.seed.read_bytes() == seed
    assert first.seed.stat().st_mode & 0o077 == 0


def test_web_process_holds_no_opening_key(settings, tmp_path) -> None:
    settings.IMAGING_OPENING_KEY_FILE = ""
    with pytest.raises(OpeningKeyAbsent):
        keys.opening_key()
    settings.IMAGING_OPENING_KEY_FILE = str(tmp_path / "absent")
    with pytest.raises(OpeningKeyAbsent):
        keys.opening_key()
