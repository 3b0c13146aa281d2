"""Where people are signed in."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from compliance.models.people import User


class BrowserSession(models.Model):
    """One sign-in of one browser. Its id lies in the session; no row, or an ended one, means signed out."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="browser_sessions")
    device = models.CharField(max_length=60)  # in words; the browser's whole self-description is nobody's business
    began_at = models.DateTimeField()
    touched_at = models.DateTimeField()  # when the person was last seen to act, within TOUCH_EVERY
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-touched_at"]
        indexes: ClassVar = [models.Index(fields=["user", "ended_at"], name="browser_session_by_user")]

    def __str__(self) -> str:
        return f"sign-in {self.pk} of user {self.user_id}"
