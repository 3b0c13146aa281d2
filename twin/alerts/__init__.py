"""When does somebody have to come? Limits, episodes, silence and escalation as pure functions over readings."""
