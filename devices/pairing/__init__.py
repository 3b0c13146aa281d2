"""Pairing: how a gateway or device that knows a one-time code gets its certificate and its root key.

Plain Python, the same on both ends; docs/wire-protocol.md has the layouts. Nothing here knows how messages travel.
"""
