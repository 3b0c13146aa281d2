"""Acts that the log holds."""

from __future__ import annotations

import pytest


@pytest.fixture
def act(db, patient):
    """Return `act(n)`: record n events and return them."""
    from compliance.models import EventCategory
    from compliance.services.events import record_event

    def make(count: int = 1, **fields):
        fields = {"patient": patient, "category": EventCategory.CLINICAL, "code": "dose_given", **fields}
        return [record_event(message=f"Dose {n}.", detail={"dose": n}, **fields) for n in range(count)]

    return make


@pytest.fixture
def two_witnesses(tmp_path, settings):
    """Two witnesses that listen on loopback, as the demo's do; their memory lies in files of their own."""
    import threading
    from http.server import ThreadingHTTPServer

    from compliance.services.log_keys import log_signer
    from compliance.witness.__main__ import Handler
    from compliance.witness.state import WitnessState

    settings.LOG_WITNESS_FOLDER = tmp_path
    settings.LOG_WITNESSES = []
    servers = []
    for name in ("one", "two"):
        state = WitnessState(tmp_path / name, f"test.example/{name}", [log_signer().verifier])
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"state": state}))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        (tmp_path / name / "address").write_text(f"http://127.0.0.1:{server.server_port}")
        servers.append(server)
    yield
    for server in servers:
        server.shutdown()
        server.server_close()
