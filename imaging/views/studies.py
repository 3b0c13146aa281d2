"""Pages of images: the worklist, the viewer, the pixels behind it, and the patient page's panel."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from compliance.services.accesses import record_access, record_list_access
from compliance.services.rates import Limit
from compliance.views.access import may_once_confirmed, patient_or_404, require, visible_or_404
from compliance.views.marks import limited
from imaging import selectors
from imaging.errors import StudyMalformed
from imaging.models import Instance, Series, SeriesKind, Study
from imaging.services import orders, viewing

NIL = UUID(int=0)
RECONSTRUCTIONS = Limit("reconstructions", 20)  # each keeps a worker busy for seconds


@require_GET
def worklist(request: HttpRequest) -> HttpResponse:
    """List the studies that the user may read; the page fetches only the rows again while it is open."""
    user = require(request, "imaging.view_study")
    rows = [(study, selectors.current_job(study)) for study in selectors.worklist(user)]
    record_list_access(user=user, patients=[study.patient_id for study, _ in rows], what="worklist")
    unfinished = any(study.state in selectors.UNFINISHED for study, _ in rows)
    template = "imaging/_rows.html" if request.headers.get("X-Medtwin-Part") else "imaging/worklist.html"
    return render(request, template, {"rows": rows, "unfinished": unfinished})


@require_GET
def viewer(request: HttpRequest, study_id: UUID) -> HttpResponse:
    """Show one study and keep who looked."""
    study = _study(request, study_id)
    user = require(request, "imaging.view_study", study)
    viewing.record_view(study=study, user=user)
    _note_look(request, study, "study")
    series = selectors.shown_series(study)
    pixel_url = reverse("imaging:pixels", args=[study.pk, NIL])
    context = _progress(request, study) | {
        "series": [(one, selectors.label_of(one), one.instances.all()) for one in series],
        "description": selectors.describe(study, series, pixel_url),
        "raw": study.series.filter(kind=SeriesKind.KSPACE).exists(),
    }
    return render(request, "imaging/viewer.html", context)


@require_GET
def progress(request: HttpRequest, study_id: UUID) -> HttpResponse:
    """Render how far the study is; once nothing more is to come, ask the page to load itself again."""
    study = _study(request, study_id)
    _note_look(request, study, "study", refreshing=True)
    response = render(request, "imaging/_progress.html", _progress(request, study))
    if study.state not in selectors.UNFINISHED:
        response["HX-Refresh"] = "true"
    return response


@limited(RECONSTRUCTIONS)
@require_POST
def reconstruct(request: HttpRequest, study_id: UUID) -> HttpResponse:
    """Ask a worker for a new reconstruction with the chosen regularisation."""
    study = _study(request, study_id)
    user = require(request, "imaging.reconstruct_study", study)
    _note_look(request, study, "study")
    try:
        lamda = float(request.POST.get("lamda", ""))
    except ValueError as error:
        raise StudyMalformed("Choose how strongly to regularise.") from error
    orders.order_reconstruction(study=study, user=user, lamda=lamda)
    return redirect("imaging:viewer", study.pk)


@require_GET
def pixels(request: HttpRequest, study_id: UUID, instance_id: UUID) -> HttpResponse:
    """Send 16-bit little-endian pixels, losslessly deflated on the way; browsers inflate them natively."""
    study = _study(request, study_id)
    rows = Instance.objects.select_related("series__study__gateway").exclude(series__kind=SeriesKind.KSPACE)
    instance = visible_or_404(rows.filter(series__study=study), pk=instance_id)
    _note_look(request, study, "image")
    return _private(viewing.pixels(instance=instance), "application/octet-stream", encoding="deflate")


@require_GET
def thumbnail(request: HttpRequest, study_id: UUID, series_id: UUID) -> HttpResponse:
    """Send the small picture of a series."""
    study = _study(request, study_id)
    rows = Series.objects.select_related("study__gateway").exclude(kind=SeriesKind.KSPACE)
    series = visible_or_404(rows.filter(study=study), pk=series_id)
    _note_look(request, study, "thumbnail")
    return _private(viewing.thumbnail(series=series), "image/png")


@require_GET
def panel(request: HttpRequest, patient_id: UUID) -> HttpResponse:
    """Render the newest images of one patient for the twin's page."""
    patient = patient_or_404(request, patient_id, "imaging.view_study")
    user = require(request, "imaging.view_study", patient)
    record_access(user=user, patient=patient, what="patient_page", refreshing=True)
    rows = [
        (study, selectors.current_job(study), [one for one in study.series.all() if one.kind != SeriesKind.KSPACE][-1:])
        for study in selectors.studies_of(user, patient)
    ]
    return render(request, "imaging/_panel.html", {"patient": patient, "rows": rows})


def _study(request: HttpRequest, study_id: UUID) -> Study:
    require(request, "imaging.view_study")
    return visible_or_404(selectors.studies_for(request.user), pk=study_id)


def _note_look(request: HttpRequest, study: Study, what: str, *, refreshing: bool = False) -> None:
    record_access(user=request.user, patient=study.patient, what=what, refreshing=refreshing)


def _progress(request: HttpRequest, study: Study) -> dict[str, object]:
    return {
        "study": study,
        "job": selectors.current_job(study),
        "unfinished": study.state in selectors.UNFINISHED,
        "may_reconstruct": may_once_confirmed(request.user, "imaging.reconstruct_study", study),
    }


def _private(body: bytes, content_type: str, encoding: str = "") -> HttpResponse:
    response = HttpResponse(body, content_type=content_type)
    response["Cache-Control"] = "private, no-store"  # a right that ends must not live on in a browser's cache
    if encoding:
        response["Content-Encoding"] = encoding
    return response
