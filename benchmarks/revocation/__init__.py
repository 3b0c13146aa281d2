"""How long what was open stays open after the right to it ended."""
