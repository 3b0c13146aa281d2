"""Words for templates about devices."""
