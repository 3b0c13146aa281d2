"""Moments that rows keep of themselves."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    _Moment = models.DateTimeField[datetime, datetime]
else:
    _Moment = models.DateTimeField


class ChangedAtField(_Moment):
    """When a row was last changed; until it is, exactly when it was made, which the field `made` says.

    Two clocks read one after the other would differ by a microsecond or more, and a first version would have two dates.
    """

    def __init__(self, *args: Any, made: str = "created_at", **others: Any) -> None:
        super().__init__(*args, **others)
        self.made = made

    def deconstruct(self) -> Any:
        """Return what a migration needs to make the field again."""
        name, path, args, others = super().deconstruct()
        return name, path, args, {**others, "made": self.made}

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Fill the moment in for a new row."""
        if getattr(model_instance, self.attname) is None:
            setattr(model_instance, self.attname, getattr(model_instance, self.made))
        return super().pre_save(model_instance, add)
