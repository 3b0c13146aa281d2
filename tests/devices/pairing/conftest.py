"""A registered gateway that waits for its pairing, and the wire to the server."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def gateway(ward):  # type: ignore[no-untyped-def]
    from devices.services.registry import register_gateway

    return register_gateway(name="North", ward=ward)


@pytest.fixture
def device(gateway, patient):  # type: ignore[no-untyped-def]
    from devices.services.registry import register_device

    return register_device(serial="S-1", kind="cgm", label="Glucose sensor", gateway=gateway, patient=patient)[0]


@pytest.fixture
def post(client) -> Callable[[bytes], bytes]:  # type: ignore[no-untyped-def]
    """Give a message to the server through its door; raises what the gateway's own client would."""
    from devices.errors import PairingRefused

    def exchange(message: bytes) -> bytes:
        response = client.post("/pair/", message, content_type="application/octet-stream")
        if response.status_code != 200:
            raise PairingRefused(f"{response.status_code} {response.json()['error']}")
        return bytes(response.content)

    return exchange
