"""`python -m compliance.witness --name NAME --folder DIR --log KEY`: a witness as a process, without Django.

It speaks C2SP tlog-witness over HTTP: POST /add-checkpoint. Put it behind TLS where it leaves the machine.
"""

from __future__ import annotations

import argparse
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm

from compliance.log.notes import NoteRefused, Verifier
from compliance.witness.state import Refused, SizeDiffers, WitnessState

MAX_REQUEST_BYTES = 64 * 1024


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    state: WitnessState
    timeout = 10  # a caller that goes silent does not keep a thread

    def do_POST(self) -> None:
        """Sign a head, or say why not."""
        length = self.headers.get("Content-Length", "")
        if self.path != "/add-checkpoint":
            return self._answer(404, "nothing here")
        if not length.isascii() or not length.isdigit() or int(length) > MAX_REQUEST_BYTES:
            return self._answer(413, "a request has a length of at most 64 KiB")
        try:
            request = self.rfile.read(int(length)).decode()
            line = self.state.add_checkpoint(request, int(time.time()))
        except UnicodeDecodeError:
            return self._answer(400, "a request is UTF-8 text")
        except SizeDiffers as refused:
            return self._answer(refused.status, str(refused), "text/x.tlog.size")
        except Refused as refused:
            return self._answer(refused.status, str(refused))
        return self._answer(200, line)

    def do_GET(self) -> None:
        """Say who this is."""
        if self.path == "/":
            return self._answer(200, self.state.keys())
        return self._answer(404, "nothing here")

    def _answer(self, status: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the log on the other side keeps what it was told."""


def main(arguments: list[str] | None = None) -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description="Witness transparency logs.")
    parser.add_argument("--name", required=True, help="under which name to sign, without spaces")
    parser.add_argument("--folder", type=Path, required=True, help="where key and memory live; keep it")
    parser.add_argument("--log", action="append", required=True, help="verifier key of a log: name+id+key")
    parser.add_argument("--ml-dsa", action="store_true", help="sign with ML-DSA-44 (FIPS 204) beside Ed25519")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one and writes it to DIR/address")
    options = parser.parse_args(arguments)
    try:
        logs = [Verifier.decode(word) for word in options.log]
        Handler.state = WitnessState(options.folder, options.name, logs, quantum_safe=options.ml_dsa)
    except (NoteRefused, OSError, ValueError, UnsupportedAlgorithm) as error:
        sys.exit(f"The witness cannot start: {error}.")
    with ThreadingHTTPServer((options.host, options.port), Handler) as server:
        draft = options.folder / "address.new"
        draft.write_text(f"http://{options.host}:{server.server_port}")
        draft.replace(options.folder / "address")
        print(f"{options.name} listens on {options.host}:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
