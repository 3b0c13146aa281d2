"""The live path under load: `python -m benchmarks.ingest`."""
