"""What a copy of a record holds of this package: every image, as DICOM where it came so, else as a picture."""

from __future__ import annotations

import io
from collections.abc import Iterator

from PIL import Image

from compliance.copies.archive import CopyArchive
from compliance.copies.registry import Asked, register_part
from imaging.errors import ArchiveDamaged
from imaging.models import Instance, SeriesKind, Study, StudyState
from imaging.services import archive as stored
from imaging.services.pictures import as_grey, stack_of

HEAD = ("study", "series", "taken_on", "modality", "description", "file")


def register_parts() -> None:
    """Register them."""
    register_part("images", _images)


def _images(asked: Asked, archive: CopyArchive) -> None:
    studies = Study.objects.filter(patient=asked.patient, received_at__lte=asked.at).order_by("received_at")
    ready = studies.filter(state=StudyState.READY)
    images = Instance.objects.filter(series__study__in=ready.order_by()).exclude(series__kind=SeriesKind.KSPACE)
    rows: list[tuple[object, ...]] = []
    for image in images.select_related("series__study").order_by("series__study_id", "series_id", "number").iterator():
        series, study = image.series, image.series.study
        about = (study.pk, series.pk, study.taken_on or "", study.modality, study.description)
        rows.extend((*about, name) for name in _written(image, archive))
    archive.csv("images/images.csv", "Your images", HEAD, rows)
    if left := studies.exclude(state=StudyState.READY).count():
        archive.note(f"Image studies that are not finished, or were set aside, are not in this copy: {left}.")
    if ready.filter(series__kind=SeriesKind.KSPACE).exists():
        archive.note("The scanner's raw data, from which images are computed, are kept but not in this copy.")


def _written(image: Instance, archive: CopyArchive) -> list[str]:
    """Write the files of one image and return their names; one that cannot be read is named in a note."""
    made: list[str] = []
    try:
        for ending, content in pictures_of(image):
            made.append(f"images/{image.series.study_id}/{image.pk}{ending}")
            archive.bytes(made[-1], "Images", content, packed=ending.endswith(".png"), listed=False)
    except ArchiveDamaged:
        archive.note(f"An image could not be read any more: {image.pk}. Tell the ward.")
    return made


def pictures_of(image: Instance) -> Iterator[tuple[str, bytes]]:
    """Yield (ending of the name, content): the DICOM file as it came, or a PNG of each frame in the image's window.

    Raises ArchiveDamaged.
    """
    study = image.series.study
    if stored.has(study, f"{image.pk}.dcm"):
        yield ".dcm", stored.load(study, f"{image.pk}.dcm")
        return
    for number, frame in enumerate(stack_of(image), start=1):
        buffer = io.BytesIO()
        Image.fromarray(as_grey(image, frame)).save(buffer, "PNG")
        yield (".png" if image.frames == 1 else f"-{number}.png"), buffer.getvalue()
