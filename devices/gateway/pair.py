"""`python -m devices.gateway pair URI`: from an empty folder to a gateway that may connect, and devices behind it.

The address comes from the QR of the pairing page, `-` reads it from standard input. What must not be lost is on the
disk before it is said: killed at any point, the same command finishes the pairing, or begins it again.
"""

from __future__ import annotations

import argparse
import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from compliance.errors import DomainError
from devices.errors import PairingMalformed, PairingRefused
from devices.gateway.greeting import SOFTWARE
from devices.gateway.identity import (
    Identities,
    IdentityUnusable,
    identities_of,
    load_identities,
    save_identities,
    write_private,
)
from devices.pairing.address import PairingAddress, parse_uri
from devices.pairing.gateway_side import Paired, Pairing, Proven, finish
from devices.pairing.messages import MAX_MESSAGE_BYTES
from devices.protocol.certificates import Kind

IDENTITY, CONFIG, UNFINISHED = "identity.json", "config.json", "pairing.json"
PATH = "/pair/"
ANSWER_WITHIN_S = 20.0
Exchange = Callable[[bytes], bytes]


class ServerUnreached(DomainError):
    """The server could not be reached; nothing was paired, and the same command tries again."""

    code = "pairing_server_unreached"
    permanent = False


class Unfinished(msgspec.Struct, frozen=True):
    """A pairing whose M3 is made and whose M4 has not come yet; everything hexadecimal."""

    uri: str
    identity: str
    secret: str
    transcript: str
    message: str
    authority: str
    tls_key: str = ""

    def proven(self) -> Proven:
        """Return the pairing as it was."""
        rest = (self.identity, self.secret, self.transcript, self.message, self.authority, self.tls_key)
        return Proven(parse_uri(self.uri), *(bytes.fromhex(text) for text in rest))


def main(arguments: list[str]) -> int:
    """Pair, and say in a sentence what came of it."""
    parser = argparse.ArgumentParser(prog="python -m devices.gateway pair", description="Pair a gateway or a device.")
    parser.add_argument("address", help="medtwin-pair:1?... from the pairing page, or - to read it from standard input")
    parser.add_argument("--folder", type=Path, default=Path(), help="the gateway's own folder; this one unless given")
    parser.add_argument("--ca-file", default="", help="PEM of who signed the server's TLS certificate, if not public")
    options = parser.parse_args(arguments)
    try:
        text = sys.stdin.readline() if options.address == "-" else options.address
        address = parse_uri(text)
        paired = pair(address, options.folder, http_exchange(address.server, options.ca_file), ca_file=options.ca_file)
    except DomainError as error:
        print(f"{error.code}: {error.message}", file=sys.stderr)
        return 2
    print(f"{paired.subject.kind.capitalize()} {paired.subject.number} is paired.")
    return 0


def pair(
    address: PairingAddress,
    folder: Path,
    exchange: Exchange,
    *,
    ca_file: str = "",
    now: Callable[[], float] = time.time,
) -> Paired:
    """Pair a gateway, or a device behind the gateway of this folder, and keep what comes of it there.

    exchange: gives a message to the server and returns its answer. Raises PairingRefused, GatewayRefused or one of
    their kinds, IdentityUnusable, ServerUnreached.
    """
    former = _former(address, folder)
    left = folder / UNFINISHED
    proven = _unfinished(left, address)
    if proven is None:
        run = Pairing(address, software=SOFTWARE)
        proven = run.prove(exchange(run.offer(now())), now())
        kept = Unfinished(address.uri(), *(raw.hex() for raw in proven[1:]))
        write_private(left, msgspec.json.encode(kept))
    try:
        paired = finish(proven, exchange(proven.message), now())
    except PairingRefused:
        left.unlink(missing_ok=True)  # whatever comes next begins with fresh keys
        raise
    _keep(paired, address, folder, former, ca_file)
    left.unlink(missing_ok=True)
    return paired


def _former(address: PairingAddress, folder: Path) -> Identities | None:
    """Return who this folder belongs to already. Raises IdentityUnusable when that is somebody else."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = load_identities(folder / IDENTITY) if (folder / IDENTITY).exists() else None
    if address.subject.kind is Kind.DEVICE and known is None:
        raise IdentityUnusable("Pair the gateway of this folder first: a device is paired through its gateway.")
    if address.subject.kind is Kind.GATEWAY and known is not None and known.gateway_id != address.subject.number:
        raise IdentityUnusable(f"This folder is that of gateway {known.gateway_id}: name another one with --folder.")
    return known


def _unfinished(left: Path, address: PairingAddress) -> Proven | None:
    """Return the pairing under this very address that was cut off after M3, if there is one."""
    try:
        kept = msgspec.json.decode(left.read_bytes(), type=Unfinished)
        return kept.proven() if kept.uri == address.uri() else None
    except (OSError, msgspec.DecodeError, PairingMalformed, ValueError, TypeError):
        return None


def _keep(paired: Paired, address: PairingAddress, folder: Path, former: Identities | None, ca_file: str) -> None:
    if paired.subject.kind is Kind.DEVICE and former is not None:
        save_identities(folder / IDENTITY, former.with_device(paired))
    else:
        save_identities(folder / IDENTITY, identities_of(paired, former))
    path = folder / CONFIG
    config = _config(path) or {
        "gateway_id": paired.subject.number,
        "server": address.server.replace("http", "ws", 1) + "/ws/gateway/",
        "identity_file": IDENTITY,
        "queue": "queue.sqlite3",
        "devices": [],
        "plant": {"entry": "", "options": {}},
        **({"ca_file": ca_file} if ca_file else {}),
    }
    config["identity_file"] = IDENTITY
    config.pop("private_key_file", None)
    if paired.subject.kind is Kind.DEVICE:
        known = {one["device_id"]: one for one in config["devices"]}
        entry = {"device_id": paired.subject.number, "kind": address.device_kind, "suite": address.suite.facts.name}
        # Paired anew it keeps what the registry does not know of it, such as its Bluetooth address.
        config["devices"] = [*(known | {paired.subject.number: known.get(paired.subject.number, {}) | entry}).values()]
    write_private(path, json.dumps(config, indent=1).encode())


def _config(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
        _ = [one["device_id"] for one in found["devices"]]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IdentityUnusable(f"{path.name} is there and cannot be read: mend or remove it first") from error
    return found


def http_exchange(server: str, ca_file: str = "") -> Exchange:
    """Return how messages reach the server: by POST. A pairing trusts nothing below itself; TLS is checked as well."""
    try:
        context = ssl.create_default_context(cafile=ca_file or None) if server.startswith("https:") else None
    except OSError as error:
        raise ServerUnreached(f"cannot use the certificates in {ca_file}: {error.strerror}") from error

    def exchange(message: bytes) -> bytes:
        request = urllib.request.Request(  # noqa: S310 the scheme was checked when the address was read
            server + PATH, data=message, headers={"Content-Type": "application/octet-stream"}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_WITHIN_S, context=context) as response:  # noqa: S310
                return bytes(response.read(MAX_MESSAGE_BYTES + 1))
        except urllib.error.HTTPError as error:
            raise _refusal(error) from error
        except (OSError, ValueError) as error:
            raise ServerUnreached(f"{server} could not be reached: {error}") from error

    return exchange


def _refusal(error: urllib.error.HTTPError) -> DomainError:
    """Return what the server said; what is not its own refusal is no reason to give the pairing up."""
    try:
        said = json.loads(error.read(4096))
        code, message = str(said["error"]), str(said["message"])
    except (ValueError, KeyError, TypeError, OSError):
        return ServerUnreached(f"the server answered {error.code}")
    if error.code in (429, 500, 502, 503, 504):
        return ServerUnreached(f"{code}: {message}")
    return PairingRefused(message if code == PairingRefused.code else f"{code}: {message}")
