"""What a gateway does on its own, without the server: rules, what they saw, what was done, and who has seen it."""
