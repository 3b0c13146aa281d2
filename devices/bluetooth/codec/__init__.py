"""Bytes to records and back, one room for each service. Every `decode` raises an `OverAirRefused` and nothing else."""
