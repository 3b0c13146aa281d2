"""A door as it looks when each defence of this house is left out: who names somebody is that one."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.x509.oid import NameOID

ROOM = 1000  # connections that a small server holds at once


class TrustingDoor:
    """Lets gateways in. inside: who it believes to be there."""

    def __init__(self, code: str = "4711") -> None:
        self._code = code
        self.taken_back: set[bytes] = set()
        self._connections: set[int] = set()
        self.inside: list[str] = []
        self.guesses = 0

    def show(self, certificate: bytes) -> None:
        """Believe the name in a certificate: who signed it, until when, and `taken_back` are asked by nobody."""
        names = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        self.inside.append(str(names[0].value))

    def greet(self, version: int, name: str, proof: bytes = b"") -> bool:
        """Let in who speaks the newer protocol with a proof, and, since old gateways are still about, who does not."""
        welcome = version == 1 or bool(proof)
        if welcome:
            self.inside.append(name)
        return welcome

    @staticmethod
    def choose(ciphers: Sequence[str]) -> str:
        """Take the first cipher that a list in the clear offers; an empty list means a device that has none."""
        return ciphers[0] if ciphers else "none"

    def pair(self, code: str) -> bool:
        """Pair whoever knows four digits, however often somebody was wrong before."""
        self.guesses += 1
        return code == self._code

    def connect(self, caller: int) -> bool:
        """Hold a connection until it ends by itself. Tell whether there was room."""
        if len(self._connections) >= ROOM:
            return False
        self._connections.add(caller)
        return True
