"""The gateway agent: `python -m devices.gateway --config FILE`. Needs only the `gateway` extra, no Django."""
