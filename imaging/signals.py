"""Facts that travel upward. Receivers run synchronously in the thread that sends."""

from django.dispatch import Signal

# Sent after the commit with `study: imaging.models.Study` when it arrived, moved on, became ready or was set aside.
study_changed = Signal()
