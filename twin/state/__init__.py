"""Twin state as plain data: reported, desired, predicted, and how two views of it are joined."""

from twin.state.aspects import Aspects, Desired, Predicted, Reported
from twin.state.reported import BOTTOM, State, TwinStates, join, state_of

__all__ = ["BOTTOM", "Aspects", "Desired", "Predicted", "Reported", "State", "TwinStates", "join", "state_of"]
