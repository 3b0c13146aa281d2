"""Somebody of the cast, signed in."""

from __future__ import annotations

import pytest

from tests.conftest import SIGN_IN_BACKEND


@pytest.fixture
def sign_in(client, cast):
    def sign_in(role: str):
        client.force_login(cast[role], backend=SIGN_IN_BACKEND)
        return client

    return sign_in
