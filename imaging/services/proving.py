"""What proves a study: the signed manifest, its opening, its reconstruction, and the images that are here now.

The anatomy is that of a reading: digests, a tree over them, its root in the log, the log's head signed and witnessed.
An opening and a reconstruction each commit to all images that they made.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from uuid import UUID

from compliance.models import Event
from compliance.selectors.log import entry_of_event
from devices.evidence.bundle import log_part
from devices.evidence.logged import LogLink, checks_of_link
from devices.evidence.outcome import Check, Outcome
from devices.evidence.tree import path_of
from devices.selectors.evidence import link_of
from imaging.errors import ArchiveDamaged, ImagingError
from imaging.evidence.leaves import ImageLeaf, in_order, root_over
from imaging.models import Instance, SeriesKind, Study, Upload
from imaging.sealing.manifest import Manifest, read_manifest
from imaging.services import archive
from imaging.services.committing import leaf_of

MADE = (SeriesKind.ZERO_FILLED, SeriesKind.CG_SENSE)
FORMAT = "medtwin/image-evidence/1"
BEFORE = "It was made before digests of images were kept."


@dataclass(frozen=True, slots=True)
class Act:
    """An opening or a reconstruction as it is on record: its event, what the event says, and its entry in the log."""

    event: Event | None
    link: LogLink | None

    def said(self, name: str) -> str:
        """Return a text of the event's detail, empty where it says nothing of it."""
        return str(self.event.detail.get(name, "")) if self.event is not None else ""

    @property
    def root(self) -> bytes:
        """The root over the images that the act made; empty where none is on record."""
        try:
            return bytes.fromhex(self.said("root"))
        except ValueError:
            return b""

    def checks(self, what: str) -> list[Check]:
        """Return whether the log holds the act, with everything that its event says today."""
        event = self.event
        said = {"event": event.pk, "code": event.code, "detail": event.detail} if event else {"code": "none"}
        return list(checks_of_link(self.link, said, what))


class StudyProof:
    """Everything that proves a study, asked for once."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.upload = Upload.objects.select_related("gateway").filter(pk=study.pk).first()
        self.received = self._act("study_received")
        self.opened = self._act("study_opened")
        self.made = self._act("study_reconstructed")

    def _act(self, code: str) -> Act:
        event = Event.objects.filter(code=code, detail__study=str(self.study.pk)).order_by("-pk").first()
        return Act(event, link_of(entry_of_event(event.pk)) if event else None)

    @cached_property
    def images(self) -> list[Instance]:
        """Every image of the study, k-space too."""
        return list(Instance.objects.filter(series__study=self.study).select_related("series"))

    def leaves(self, *, made: bool) -> list[ImageLeaf]:
        """Return the leaves of what was reconstructed, or of what was opened, in the order of their tree."""
        return in_order([leaf_of(one) for one in self.images if (one.series.kind in MADE) is made])

    @cached_property
    def manifest(self) -> Manifest | ImagingError | None:
        """The signed manifest; the error where it does not hold; None where these images did not come sealed."""
        if self.upload is None:
            return None
        try:
            key = bytes(self.upload.gateway.public_key)
            return read_manifest(bytes(self.upload.manifest), bytes(self.upload.signature), key)
        except ImagingError as error:
            return error

    def arrival_checks(self) -> Iterator[Check]:
        """Yield the links from the opened study to the scanner's gateway, and from its receipt to the log."""
        if self.upload is None or self.manifest is None:
            yield Check("The signed manifest is kept", Outcome.MISSING, "These images did not come as a sealed upload.")
            return
        name = "The scanner's gateway signed it"
        if isinstance(self.manifest, ImagingError):
            words = f"{self.manifest.message} The gateway may have another key by now."
            yield Check(name, Outcome.BROKEN, words)
            return
        yield Check(name, Outcome.HOLDS, "Ed25519, over the manifest that names every piece by its hash.")
        yield _for_this_patient(self.manifest.patient, self.study)
        yield from self.received.checks("The receipt")

    def opening_checks(self) -> Iterator[Check]:
        """Yield whether what was opened is what had been signed, and is what is here now."""
        yield self._same_manifest()
        yield _root_check("The opened images are those on record", self.leaves(made=False), self.opened.root)
        yield self.opened.checks("The opening")[0]

    def making_checks(self) -> Iterator[Check]:
        """Yield whether the reconstruction was made from what was opened, and is what is here now."""
        yield self._same_input()
        yield _root_check("The reconstructed images are those on record", self.leaves(made=True), self.made.root)
        yield self.made.checks("The reconstruction")[0]

    def _same_manifest(self) -> Check:
        name = "What was opened is what was signed"
        if not self.opened.said("manifest") or self.upload is None:
            return Check(name, Outcome.MISSING, BEFORE)
        if self.opened.said("manifest") != sha256(bytes(self.upload.manifest)).hexdigest():
            return Check(name, Outcome.BROKEN, "The opening names another manifest.")
        words = "Each piece had the hash that the manifest names, and every file inside was counted."
        return Check(name, Outcome.HOLDS, words)

    def _same_input(self) -> Check:
        name = "It was computed from what was opened"
        if not self.made.said("input") or not self.opened.said("root"):
            return Check(name, Outcome.MISSING, BEFORE)
        if self.made.said("input") != self.opened.said("root"):
            return Check(name, Outcome.BROKEN, "The raw data that went in are not those that came out of the seal.")
        return Check(
            name, Outcome.HOLDS, "The digest of the raw data that went in is that of what came out of the seal."
        )


def image_bundle(image: Instance) -> dict[str, object]:
    """Return the proof of one image for outsiders: digests, the way to the root, the signed manifest, the log entries.

    Bytes are hexadecimal. The pixels are not in it: whoever has the image hashes its 16-bit little-endian values.
    """
    proof, leaf = StudyProof(image.series.study), leaf_of(image)
    made = image.series.kind in MADE
    act = proof.made if made else proof.opened
    leaves, upload = proof.leaves(made=made), proof.upload
    index = leaves.index(leaf)
    return {
        "format": FORMAT,
        "claim": dict(leaf.said),
        "pixels_sha256": leaf.pixels.hex(),
        "leaf": leaf.raw.hex(),
        "root": {
            "root": act.root.hex(),
            "index": index,
            "size": len(leaves),
            "path": [node.hex() for node in path_of([one.raw for one in leaves], index)],
        },
        "manifest": bytes(upload.manifest).decode() if upload else None,
        "signature": bytes(upload.signature).hex() if upload else None,
        "gateway_key": bytes(upload.gateway.public_key).hex() if upload else None,
        "log": {
            "received": log_part(proof.received.link),
            "opened": log_part(proof.opened.link),
            "reconstructed": log_part(proof.made.link) if made else None,
        },
    }


def pixels_check(image: Instance) -> Check:
    """Return whether the archived pixels are those that were committed to."""
    name = "The pixels are those that were archived"
    if not image.pixels_sha256:
        return Check(name, Outcome.MISSING, BEFORE)
    try:
        values = zlib.decompress(archive.load_pixels(image.series.study, str(image.pk)))
    except (ArchiveDamaged, zlib.error):
        return Check(name, Outcome.BROKEN, "The archived file is gone, or was changed: its seal does not open.")
    if sha256(values).digest() != bytes(image.pixels_sha256):
        return Check(name, Outcome.BROKEN, "Their SHA-256 is not the one that was kept when the image was made.")
    return Check(name, Outcome.HOLDS, f"{len(values):,} B, with the SHA-256 that was kept when the image was made.")


def source_check(image: Instance, proof: StudyProof) -> Check:
    """Return whether the file behind an image is the one that came: its DICOM file, or the raw data of its slice."""
    if image.series.kind not in MADE:
        return _file_check("The file is the one that came", image, ".dcm")
    slices = [one for one in proof.images if one.series.kind == SeriesKind.KSPACE and one.number == image.number]
    if len(slices) != 1:
        return Check("The raw data are kept", Outcome.MISSING, "No raw data of this slice are on record.")
    return _file_check("The raw data are those that came", slices[0], ".npy")


def _file_check(name: str, source: Instance, ending: str) -> Check:
    if not source.file_sha256:
        return Check(name, Outcome.MISSING, BEFORE)
    try:
        raw = archive.load(source.series.study, f"{source.pk}{ending}")
    except ArchiveDamaged:
        return Check(name, Outcome.BROKEN, "The archived file is gone, or was changed: its seal does not open.")
    if sha256(raw).digest() != bytes(source.file_sha256):
        return Check(name, Outcome.BROKEN, "Its SHA-256 is not the one that was kept when the study was opened.")
    return Check(name, Outcome.HOLDS, f"{len(raw):,} B, with the SHA-256 that was kept when the study was opened.")


def _root_check(name: str, leaves: Sequence[ImageLeaf], root: bytes) -> Check:
    if not root or not leaves or not all(leaf.kept for leaf in leaves):
        return Check(name, Outcome.MISSING, BEFORE)
    if root_over(leaves) != root:
        words = (
            "Pixels, sizes, spacings or notes are not those that were committed to, or an image is too few or too many."
        )
        return Check(name, Outcome.BROKEN, words)
    steps = len(path_of([leaf.raw for leaf in leaves], 0))
    words = f"{counted_images(len(leaves))} with everything said of them; {steps} hashes lead from each to the root."
    return Check(name, Outcome.HOLDS, words)


def _for_this_patient(named: UUID | None, study: Study) -> Check:
    name = "It names this patient"
    if named is None:
        return Check(name, Outcome.MISSING, "The manifest names nobody; a person assigned the images later.")
    if named != study.patient_id:
        return Check(name, Outcome.BROKEN, "The manifest names somebody else.")
    return Check(name, Outcome.HOLDS, "The patient's random identifier stands in what was signed.")


def counted_images(count: int) -> str:
    """Say how many."""
    return f"{count:,} image{'' if count == 1 else 's'}"
