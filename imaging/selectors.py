"""Reads of images. Every list starts from what the user may see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import Prefetch, QuerySet

from compliance.models import Patient, User
from compliance.selectors import scope_for, within_scope
from imaging.models import ImagingJob, Instance, Series, SeriesKind, Study, StudyState

WORKLIST_LENGTH = 300
PANEL_LENGTH = 6
EVIDENCE_URL = f"/evidence/image/{UUID(int=0)}/"  # a page of a package above this one
UNFINISHED = (StudyState.WAITING, StudyState.OPENING, StudyState.RECONSTRUCTING)


class ImageDescription(TypedDict):
    """What the viewer must know to show one frame."""

    url: str
    evidence: str  # where what proves it is shown
    frame: int
    rows: int
    columns: int
    signed: bool
    slope: float
    intercept: float
    centre: float
    width: float
    inverted: bool
    aspect: float  # height of a pixel over its width
    note: str


class SeriesDescription(TypedDict):
    """One stack of frames, in the order in which it is scrolled."""

    id: str
    kind: str
    label: str
    unit: str
    images: list[ImageDescription]


def studies_for(user: User | AnonymousUser, action: str = "imaging.view_study") -> QuerySet[Study]:
    """Return the studies on which `user` may do `action`; of unassigned ones those from the wards' own scanners."""
    rows = Study.objects.select_related("patient__ward", "gateway__ward")
    return within_scope(rows, scope_for(user, action), ward_field="gateway__ward_id")


def worklist(user: User) -> list[Study]:
    """Return what the user may read, most urgent and newest first, each with its jobs."""
    jobs = Prefetch("jobs", ImagingJob.objects.order_by("-created_at"))
    return list(studies_for(user).prefetch_related(jobs, "series")[:WORKLIST_LENGTH])


def studies_of(user: User, patient: Patient) -> list[Study]:
    """Return the newest studies of one patient."""
    rows = studies_for(user).filter(patient=patient).order_by("-received_at")
    return list(rows.prefetch_related("jobs", "series")[:PANEL_LENGTH])


def series_within(studies: QuerySet[Study]) -> QuerySet[Series]:
    """Return the series of these studies that have pictures."""
    rows = Series.objects.filter(study__in=studies.order_by()).exclude(kind=SeriesKind.KSPACE)
    return rows.select_related("study__patient", "study__gateway").prefetch_related("instances")


def images_within(studies: QuerySet[Study]) -> QuerySet[Instance]:
    """Return the images of these studies that are shown as pictures."""
    rows = Instance.objects.filter(series__study__in=studies.order_by()).exclude(series__kind=SeriesKind.KSPACE)
    return rows.select_related("series__study__patient", "series__study__gateway")


def shown_series(study: Study) -> list[Series]:
    """Return the series that have pictures, each with its instances; reconstructions last."""
    rows = study.series.exclude(kind=SeriesKind.KSPACE).prefetch_related("instances")
    return sorted(rows, key=lambda series: (series.kind == SeriesKind.CG_SENSE, series.number, series.series_uid))


def describe(
    study: Study, series: Sequence[Series], pixel_url: str, evidence_url: str = EVIDENCE_URL
) -> list[SeriesDescription]:
    """Return the viewer's description of `series`; both URLs hold the nil UUID where an instance's identifier goes."""
    return [
        {
            "id": str(one.pk),
            "kind": one.kind,
            "label": label_of(one),
            "unit": unit_of(one),
            "images": [image for row in one.instances.all() for image in _frames(row, pixel_url, evidence_url)],
        }
        for one in series
    ]


def label_of(series: Series) -> str:
    """Return what a series is called on pages."""
    if series.kind != SeriesKind.ACQUIRED:
        return series.get_kind_display()
    return series.description or f"Series {series.number}"


def unit_of(series: Series) -> str:
    """Return the unit of the values: Hounsfield for CT, arbitrary for everything else."""
    return "HU" if series.modality == "CT" else "a.u."


def current_job(study: Study) -> ImagingJob | None:
    """Return the newest job of the study."""
    return max(study.jobs.all(), key=lambda job: job.created_at, default=None)


def _frames(row: Instance, pixel_url: str, evidence_url: str) -> list[ImageDescription]:
    spacing = (row.row_spacing_mm, row.column_spacing_mm)
    aspect = spacing[0] / spacing[1] if spacing[0] and spacing[1] else 1.0
    return [
        {
            "url": pixel_url.replace(str(UUID(int=0)), str(row.pk)),
            "evidence": evidence_url.replace(str(UUID(int=0)), str(row.pk)),
            "frame": frame,
            "rows": row.rows,
            "columns": row.columns,
            "signed": row.signed,
            "slope": row.slope,
            "intercept": row.intercept,
            "centre": row.window_centre,
            "width": row.window_width,
            "inverted": row.inverted,
            "aspect": aspect,
            "note": row.note,
        }
        for frame in range(row.frames)
    ]
