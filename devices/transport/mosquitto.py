"""A configuration for Mosquitto under which a broker knows everybody by a TLS client certificate.

The certificate's common name is the account: a gateway's number, or a bridge's name. A gateway may use its own topics
alone, whatever it asks for, and nobody can take the connection of another by its client id.
"""

from __future__ import annotations

from pathlib import Path

from devices.transport.address import ANSWERS, FRAMES, GONE, HELLO, PRESENCE, BrokerAddress

CONFIG, RIGHTS = "mosquitto.conf", "acl"
AUTHORITY, CERTIFICATE, KEY, REVOKED = "ca.pem", "broker.pem", "broker.key", "crl.pem"
MOST_PACKET_BYTES = 135_168  # eight frames of 16 KiB, and 4 KiB around them


def configuration(folder: Path, address: BrokerAddress, *, listen: str) -> str:
    """Return mosquitto.conf. folder: where Mosquitto finds the files, as an absolute path. listen: address or ""."""
    return f"""\
# Made by `manage.py mosquitto_files`, which renews certificates and revocation list when it runs again.
per_listener_settings false
listener {address.port} {listen}
cafile {folder / AUTHORITY}
certfile {folder / CERTIFICATE}
keyfile {folder / KEY}
crlfile {folder / REVOKED}
tls_version tlsv1.3
require_certificate true
use_identity_as_username true
use_username_as_clientid true
allow_anonymous false
acl_file {folder / RIGHTS}
# Nothing is kept: what was not acknowledged is on the gateways' disks.
persistence false
retain_available false
max_packet_size {MOST_PACKET_BYTES}
"""


def rights(address: BrokerAddress, bridges: list[str]) -> str:
    """Return the access list. bridges: the common names of the bridges' certificates, one for each that runs."""
    root = address.root
    lines = ["# Made by `manage.py mosquitto_files`. %u is the certificate's common name: the gateway's number."]
    said_by_gateways = (PRESENCE, GONE, f"{HELLO}/+", f"{FRAMES}/+")
    lines += [f"pattern write {root}/%u/{leaf}" for leaf in said_by_gateways]
    lines += [f"pattern read {root}/%u/{ANSWERS}", f"pattern read {address.of_bridge('+')}"]
    for bridge in bridges:
        lines += ["", f"user {bridge}"]
        lines += [f"topic read {address.of_all_gateways(leaf)}" for leaf in said_by_gateways]
        lines += [f"topic write {address.of_all_gateways(ANSWERS)}", f"topic write {address.of_bridge('+')}"]
    return "\n".join(lines) + "\n"
