"""What proves images and every number that is said of them: from a pixel to the scanner's signature and the log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256

from django.urls import reverse

from devices.evidence.outcome import Check
from imaging.errors import ImagingError
from imaging.models import Instance, Series, SeriesKind, Study
from imaging.sealing.manifest import Manifest
from imaging.selectors import label_of, unit_of
from imaging.services.committing import program_digest
from imaging.services.proving import MADE, Act, StudyProof, counted_images, pixels_check, source_check
from twin.selectors.evidence import Fact, Panel, moment_words

SHOWN = 25  # images of a panel; it says how many there are


def study_panel(study: Study) -> Panel:
    """Return how images came: who signed them, what was sealed to which key, and what was made of them."""
    proof = StudyProof(study)
    title = f"{study.modality or 'Study'} {study.description or 'without description'}"
    facts = [Fact("Received", moment_words(study.received_at, study.patient)), *_arrival_facts(proof)]
    checks = [*proof.arrival_checks()]
    if isinstance(proof.manifest, Manifest):
        facts += [*_act_facts("Opened", proof.opened, study), *_act_facts("Reconstructed", proof.made, study)]
        checks += [*proof.opening_checks()] if proof.images else []
        checks += [*proof.making_checks()] if proof.made.event else []
    facts += [
        Fact(label_of(one), f"{counted_images(one.instances.count())}", reverse("twin:series_evidence", args=[one.pk]))
        for one in study.series.exclude(kind=SeriesKind.KSPACE)
    ]
    if proof.upload is None:
        sentence = "Nothing on record proves how these images came."
    elif isinstance(proof.manifest, ImagingError):
        sentence = "The signature on record does not fit these images."
    else:
        sentence = "These images arrived sealed, signed by the scanner's gateway."
    return Panel(title, sentence, facts, checks)


def series_panel(series: Series) -> Panel:
    """Return what proves how many images a series has, and which; each leads to its own proof."""
    proof, images = StudyProof(series.study), list(series.instances.all())
    facts = [
        Fact("Images", counted_images(len(images)) + (f"; the first {SHOWN} follow" if len(images) > SHOWN else ""))
    ]
    facts += [
        Fact(f"Image {place}", _size(image), reverse("twin:image_evidence", args=[image.pk]))
        for place, image in enumerate(images[:SHOWN], start=1)
    ]
    return Panel(label_of(series), _how_made(series), facts, [*_acts_of(series, proof), *proof.arrival_checks()])


def image_panel(image: Instance) -> Panel:
    """Return what proves one image and what is said of it: its pixels, its size, how it was made."""
    series, proof = image.series, StudyProof(image.series.study)
    act = proof.made if series.kind in MADE else proof.opened
    unit = unit_of(series)
    facts = [
        Fact("Size", _size(image)),
        Fact("Values", f"{image.slope:g} {unit} a step, from {image.intercept:g} {unit}"),
        Fact("Window", f"width {image.window_width:g}, level {image.window_centre:g} {unit}"),
    ]
    if image.row_spacing_mm and image.column_spacing_mm:
        facts.append(Fact("A pixel is", f"{image.row_spacing_mm:g} mm high, {image.column_spacing_mm:g} mm wide"))
    if image.note:
        facts.append(Fact("Made", image.note))
    facts += _act_facts("Reconstructed" if series.kind in MADE else "Opened", act, series.study)
    facts.append(Fact("Pixels, SHA-256", bytes(image.pixels_sha256).hex() or "not kept"))
    checks = [pixels_check(image), source_check(image, proof), *_acts_of(series, proof), *proof.arrival_checks()]
    return Panel(f"{label_of(series)}, image {_place(image)}", _how_made(series), facts, checks)


def _acts_of(series: Series, proof: StudyProof) -> Iterator[Check]:
    if series.kind in MADE:
        yield from proof.making_checks()
    yield from proof.opening_checks()


def _arrival_facts(proof: StudyProof) -> Iterator[Fact]:
    if proof.upload is None:
        return
    yield Fact("Gateway", proof.upload.gateway.name)
    yield Fact("Manifest, SHA-256", sha256(bytes(proof.upload.manifest)).hexdigest())
    if isinstance(proof.manifest, Manifest):
        sealed_at = datetime.fromtimestamp(proof.manifest.sealed_at, tz=UTC)
        yield Fact("Sealed", moment_words(sealed_at, proof.study.patient))
        yield Fact("Pieces", f"{len(proof.manifest.chunks)}, each with its SHA-256 in the manifest")
        yield Fact("Length", f"{proof.manifest.sealed_bytes:,} B sealed, {proof.manifest.package_bytes:,} B inside")
        yield Fact("Sealed to the hospital's key", proof.manifest.hospital_key)


def _act_facts(name: str, act: Act, study: Study) -> Iterator[Fact]:
    if act.event is None:
        return
    took = f", in {act.event.detail['seconds']:g} s" if "seconds" in act.event.detail else ""
    yield Fact(name, moment_words(act.event.at, study.patient) + took)
    if program := act.said("program"):
        same = "that which runs now" if program == program_digest() else "another than that which runs now"
        yield Fact(f"{name} by", f"the program with SHA-256 {program}, {same}")
        libraries = act.event.detail.get("with", {})
        yield Fact(f"{name} with", ", ".join(f"{one} {number}" for one, number in sorted(libraries.items())))


def _how_made(series: Series) -> str:
    if series.kind in MADE:
        return "Computed here from raw data that arrived sealed, signed by the scanner's gateway. Nobody has read it."
    return "These images arrived sealed, signed by the scanner's gateway."


def _place(image: Instance) -> int:
    return [one.pk for one in image.series.instances.all()].index(image.pk) + 1


def _size(image: Instance) -> str:
    frames = f", {image.frames} frames" if image.frames > 1 else ""
    return f"{image.columns} by {image.rows} pixels{frames}"
