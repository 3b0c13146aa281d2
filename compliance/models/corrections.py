"""What a patient calls wrong in the own record, what stood there before, and where the two sides disagree."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils import timezone

from compliance import subject_keys
from compliance.models.people import Patient
from compliance.models.privacy_requests import PrivacyRequest
from compliance.models.sealed import key_of
from compliance.privacy.corrections import COLUMNS, WORDS, CorrectionPart, Outcome


class Correction(models.Model):
    """What a request for a correction needs beside its row.

    Texts lie sealed under the patient's own key, as the values that they speak of do: read them with `opened`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    request = models.OneToOneField(PrivacyRequest, on_delete=models.CASCADE, related_name="correction")
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="corrections")
    part = models.CharField(max_length=12, choices=[(part.value, words) for part, words in WORDS.items()])
    stands = models.TextField(blank=True)  # as the patient quotes it
    right = models.TextField(blank=True)
    former = models.TextField(blank=True)  # what the record held until it was changed
    disagreement = models.TextField(blank=True)  # what the patient says to a refusal
    outcome = models.CharField(max_length=10, blank=True, choices=[(one.value, one.value) for one in Outcome])
    asked_at = models.DateTimeField(default=timezone.now)
    disagreed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["asked_at", "pk"]

    def __str__(self) -> str:
        return f"correction {self.pk} of {self.part}"

    def seal(self, name: str, text: str) -> None:
        """Set one of the texts. Raises SubjectErased."""
        place = (self._meta.db_table, name, self.pk)
        setattr(self, name, subject_keys.seal_text(key_of(self.patient), text.strip(), *place))

    def opened(self, name: str) -> str:
        """Return one of the texts. Raises SubjectErased, SealedFieldAltered."""
        sealed = getattr(self, name)
        place = (self._meta.db_table, name, self.pk)
        return subject_keys.open_text(key_of(self.patient), sealed, *place) if sealed else ""

    @property
    def part_words(self) -> str:
        """What is called wrong."""
        return WORDS[CorrectionPart(self.part)]

    @property
    def is_column(self) -> bool:
        """Tell whether accepting it changes the patient's row."""
        return self.part in COLUMNS

    @property
    def stands_text(self) -> str:
        """What stands there, as the patient quotes it."""
        return self.opened("stands")

    @property
    def right_text(self) -> str:
        """What is right, as the patient says."""
        return self.opened("right")

    @property
    def former_text(self) -> str:
        """What stood there until it was changed."""
        return self.opened("former")

    @property
    def disagreement_text(self) -> str:
        """What the patient says to the refusal."""
        return self.opened("disagreement")
