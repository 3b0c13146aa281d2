"""What the twin keeps: alerts and their delivery, and what it expects next."""

from twin.models.alerts import Alert, AlertLimit, AlertState, AlertStep, Channel, StepKind
from twin.models.prediction import Prediction

__all__ = ["Alert", "AlertLimit", "AlertState", "AlertStep", "Channel", "Prediction", "StepKind"]
