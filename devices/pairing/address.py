"""What the QR of a pairing page holds: where the server is, which pairing waits, its code, and whom to trust.

`medtwin-pair:1?server=https://HOST&kind=gateway&id=7&ref=16HEX&code=XXXX-XXXX-XXXX-XXXX&ca=64HEX`, for a device with
its kind as well (`&as=cgm`), and with its cipher where that is not the usual one (`&seal=aes-128-gcm`). The fingerprint
of the authority comes by this road, past the network: whoever sits in between cannot pose as the server.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

from devices.errors import PairingMalformed
from devices.pairing.codes import canonical
from devices.protocol.certificates import Kind, Subject
from devices.protocol.suites import SUITE_NAMES, Suite

SCHEME = "medtwin-pair"
MAX_CHARACTERS = 600
REFERENCE_BYTES = 8
U32 = (1 << 32) - 1
USUAL = Suite.ASCON_AEAD128.facts.name


class PairingAddress(NamedTuple):
    """A pairing that waits. server: `https://HOST`; reference: 8 bytes; authority: SHA-256, hexadecimal.

    device_kind: what a device is, a folder in devices/kinds. suite: what seals its frames.
    """

    server: str
    subject: Subject
    reference: bytes
    code: str
    authority: str
    device_kind: str = ""
    suite: Suite = Suite.ASCON_AEAD128

    def uri(self) -> str:
        """Return the text that the QR shows."""
        fields: dict[str, str | int] = {
            "server": self.server,
            "kind": self.subject.kind.value,
            "id": self.subject.number,
            "ref": self.reference.hex(),
            "code": self.code,
            "ca": self.authority,
        } | ({"as": self.device_kind} if self.device_kind else {})
        if self.suite is not Suite.ASCON_AEAD128:
            fields["seal"] = self.suite.facts.name
        return f"{SCHEME}:1?{urlencode(fields, safe=':/')}"


def parse_uri(text: str) -> PairingAddress:
    """Return what a pairing URI says. Raises PairingMalformed, with a sentence that says what to mend."""
    wrong = PairingMalformed("That is no pairing address: copy the whole line that begins with medtwin-pair:1.")
    head, _, query = text.strip().partition("?")
    if head != f"{SCHEME}:1" or len(text) > MAX_CHARACTERS:
        raise wrong
    try:
        said = {name: values[0] for name, values in parse_qs(query, strict_parsing=True, max_num_fields=12).items()}
        kind, number = Kind(said["kind"]), int(said["id"])
        server, reference, authority = said["server"].rstrip("/"), bytes.fromhex(said["ref"]), said["ca"].lower()
        host = urlsplit(server)
    except (ValueError, KeyError) as error:
        raise wrong from error
    sound = (
        kind is not Kind.SERVER
        and 0 < number <= U32
        and len(reference) == REFERENCE_BYTES
        and re.fullmatch("[0-9a-f]{64}", authority)
        and re.fullmatch("[a-z0-9_]{0,32}", said.get("as", ""))
        and said.get("seal", USUAL) in SUITE_NAMES
        and canonical(said.get("code", ""))
        and host.scheme in {"http", "https"}
        and host.hostname
        and not host.query
    )
    if not sound:
        raise wrong
    suite = SUITE_NAMES[said.get("seal", USUAL)]
    return PairingAddress(server, Subject(kind, number), reference, said["code"], authority, said.get("as", ""), suite)
