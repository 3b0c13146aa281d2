"""The door over HTTP: signed requests on one kept connection."""

from __future__ import annotations

import json
import time
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit
from uuid import UUID

from compliance.errors import DomainError
from imaging.agent.spool import Identity
from imaging.errors import ChunkAltered, ChunkMissing, StudyMalformed
from imaging.sealing.request import sign_request

UPLOADS = "/imaging/uploads/"
MAX_ANSWER_BYTES = 1 << 20


class ServerRefused(DomainError):
    """The server refused the study."""

    code = "server_refused"

    def __init__(self, code: str, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.code = code
        self.permanent = permanent


class HttpDoor:
    """Speaks to `server`, such as https://hospital.example, as `identity`."""

    def __init__(self, server: str, identity: Identity, timeout_s: float = 30.0) -> None:
        parts = urlsplit(server)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise StudyMalformed(f"'{server}' is not a server address; it looks like https://hospital.example.")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=timeout_s)
        self._identity = identity

    def begin(self, manifest: bytes, signature: bytes) -> list[int]:
        """Announce a study; see Door."""
        body = json.dumps({"manifest": manifest.decode(), "signature": signature.hex()}).encode()
        return self._missing(self._ask("POST", UPLOADS, body))

    def missing(self, study: UUID) -> list[int]:
        """Return the missing pieces; see Door."""
        return self._missing(self._ask("GET", f"{UPLOADS}{study}/"))

    def put(self, study: UUID, index: int, piece: bytes) -> None:
        """Send one piece; see Door."""
        self._ask("PUT", f"{UPLOADS}{study}/chunks/{index}/", piece)

    def complete(self, study: UUID) -> None:
        """Declare the study whole; see Door."""
        self._ask("POST", f"{UPLOADS}{study}/complete/")

    def close(self) -> None:
        """Let go of the connection; the next request would open another."""
        self._connection.close()

    def _missing(self, answer: dict[str, object]) -> list[int]:
        listed = answer.get("missing")
        if not isinstance(listed, list) or not all(isinstance(index, int) for index in listed):
            raise ServerRefused("answer_malformed", "The server's answer makes no sense.", permanent=False)
        return listed

    def _ask(self, method: str, path: str, body: bytes = b"") -> dict[str, object]:
        identity = self._identity
        headers = sign_request(identity.signing_key, identity.gateway, method, path, body, time.time())
        headers |= {"Accept": "application/json", "Content-Type": "application/octet-stream"}
        try:
            self._connection.request(method, path, body, headers)
            return self._read(self._connection.getresponse())
        except (OSError, HTTPException) as error:
            self._connection.close()
            if isinstance(error, OSError):
                raise
            raise ConnectionError(str(error)) from error

    def _read(self, response: HTTPResponse) -> dict[str, object]:
        raw = response.read(MAX_ANSWER_BYTES)
        try:
            answer = json.loads(raw)
        except ValueError:
            answer = {}
        answer = answer if isinstance(answer, dict) else {}
        if response.status < 300:
            return answer
        code, message = str(answer.get("error", f"http_{response.status}")), str(answer.get("message", ""))
        for expected in (ChunkMissing, ChunkAltered):
            if code == expected.code:
                raise expected(message)
        # The server says which refusals are final; a bare 5xx or 429 from a proxy never is.
        permanent = bool(answer.get("permanent", response.status < 500 and response.status != 429))
        raise ServerRefused(code, message or f"The server answered {response.status}.", permanent=permanent)
