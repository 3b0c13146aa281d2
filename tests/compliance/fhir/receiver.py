"""A subscriber: a real HTTP server that keeps what it is sent and answers as it is told."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

from tests.patience import PATIENCE_S


@dataclass
class Receiver:
    """Answers: the statuses of the next answers, then 200; a dictionary adds headers."""

    answers: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    answers_before_silence: int | None = None
    _may_answer: Event = field(default_factory=Event)

    def __enter__(self) -> Receiver:
        keeper = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                keeper.requests.append((self.command, self.path, dict(self.headers), body))
                if keeper.answers_before_silence is not None and len(keeper.requests) > keeper.answers_before_silence:
                    keeper._may_answer.wait(PATIENCE_S)
                    self.close_connection = True
                    return
                self.send_response(keeper.answers.pop(0) if keeper.answers else 200)
                for name, value in keeper.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            do_POST = do_PUT = do_GET = handle_one  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def speak_again(self) -> None:
        """Answer again; the requests that were met with silence never get an answer."""
        self.answers_before_silence = None
        self._may_answer.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook"

    def told(self) -> list[str]:
        """Return what the requests name: by path, or in the Bundle."""
        return [
            path.removeprefix("/hook/") if method == "PUT" else json.loads(body)["entry"][0]["request"]["url"]
            for method, path, _headers, body in self.requests
        ]
