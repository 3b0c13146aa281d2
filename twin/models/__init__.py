"""What the twin keeps: alerts and their delivery."""

from twin.models.alerts import Alert, AlertLimit, AlertState, AlertStep, Channel, StepKind

__all__ = ["Alert", "AlertLimit", "AlertState", "AlertStep", "Channel", "StepKind"]
