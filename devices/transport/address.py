"""Where the MQTT broker is and how Medtwin's topics are named there.

`mqtt[s]://[user:password@]host[:port][/prefix]`: the prefix stands before every topic, so that several installations
can share a broker. A gateway's topics are `PREFIX/medtwin/1/GATEWAY/LEAF`; bridges announce themselves beside them.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from compliance.errors import DomainError

MQTT_SCHEMES = ("mqtt://", "mqtts://")
PORTS = {"mqtt": 1883, "mqtts": 8883}

PRESENCE = "presence"  # gateway: it is here and wants a bridge; JSON. One of the bridges hears it
GONE = "gone"  # gateway, and its last will: JSON. Every bridge hears it
HELLO = "hello"  # gateway, to one bridge: its answer to the challenge, JSON
FRAMES = "frames"  # gateway, to one bridge: joined frames
ANSWERS = "answers"  # server: challenge, welcome, refused, ack, nack, JSON
BRIDGES = "bridges"  # in the place of a gateway's number: what bridges say of themselves
SHARE = "$share/medtwin/"  # MQTT 5, section 4.8.2: of all bridges that ask like this, one gets the message

_BRIDGE = re.compile(r"[0-9a-f]{8}")
_GATEWAY = re.compile(r"[1-9][0-9]{0,9}")


class AddressWrong(DomainError):
    """The address of the MQTT broker cannot be used; the sentence says what to mend."""

    code = "mqtt_address_wrong"


class BrokerAddress(NamedTuple):
    """A broker. root: what every topic begins with."""

    host: str
    port: int
    tls: bool
    username: str | None
    password: str | None
    root: str

    def topic(self, gateway_id: int, leaf: str) -> str:
        """Return one of a gateway's topics."""
        return f"{self.root}/{gateway_id}/{leaf}"

    def of_all_gateways(self, leaf: str) -> str:
        """Return the filter that matches this topic of every gateway."""
        return f"{self.root}/+/{leaf}"

    def of_bridge(self, bridge: str) -> str:
        """Return the topic on which a bridge, or with `+` any, says that it is here or gone."""
        return f"{self.root}/{BRIDGES}/{bridge}"

    def bridge_of(self, topic: str) -> str:
        """Return which bridge a topic is of, "" when of none."""
        start = self.of_bridge("")
        return topic.removeprefix(start) if topic.startswith(start) else ""

    def place(self, topic: str) -> tuple[int, str] | None:
        """Return gateway and leaf of a topic, None when it is none of ours."""
        number, _, leaf = topic.removeprefix(f"{self.root}/").partition("/")
        ours = topic.startswith(f"{self.root}/") and _GATEWAY.fullmatch(number) and int(number) < 1 << 32
        return (int(number), leaf) if ours else None


def is_bridge(name: str) -> bool:
    """Tell whether this may stand in a topic as the name of a bridge."""
    return _BRIDGE.fullmatch(name) is not None


def parse_address(url: str) -> BrokerAddress:
    """Return the broker that a URL names. Raises AddressWrong."""
    parts = urlsplit(url)
    try:
        port = parts.port or PORTS[parts.scheme]
    except (KeyError, ValueError) as error:
        raise AddressWrong("The address must look like mqtts://user:password@host:8883/prefix.") from error
    prefix = unquote(parts.path).strip("/")
    if not parts.hostname or "#" in url or "?" in url or re.search(r"[+#\0\s]|//", prefix):
        raise AddressWrong("The address must look like mqtts://host/prefix; a prefix has no spaces, + or #.")
    return BrokerAddress(
        host=parts.hostname,
        port=port,
        tls=parts.scheme == "mqtts",
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        root=f"{prefix}/medtwin/1" if prefix else "medtwin/1",
    )
