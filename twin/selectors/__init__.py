"""Reads of the twin: each list starts from what the policy lets the reader see."""
