"""Images as stored: studies with their series and instances, uploads, and the jobs that work on them."""

from imaging.models.jobs import ImagingJob, JobKind, JobState
from imaging.models.studies import Instance, Series, SeriesKind, Study, StudyState, Urgency
from imaging.models.uploads import Upload, UploadState

__all__ = [
    "ImagingJob",
    "Instance",
    "JobKind",
    "JobState",
    "Series",
    "SeriesKind",
    "Study",
    "StudyState",
    "Upload",
    "UploadState",
    "Urgency",
]
