"""What security costs in time, and what it keeps under attack."""
