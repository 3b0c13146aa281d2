"""How this gateway greets its server, and under which keys its devices' frames are then sealed.

A gateway that was paired proves itself and has the server prove itself; every greeting begins an epoch with fresh keys,
which are never written to the disk. One that was not proves its key alone and seals under keys of its configuration.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from devices.errors import FrameMalformed, GatewayRefused
from devices.gateway.config import GatewayConfig
from devices.gateway.identity import Identities, IdentityUnusable, load_identities, save_identities
from devices.gateway.measure import measure
from devices.gateway.seal import DeviceSeal
from devices.gateway.settings import Settings
from devices.protocol.epochs import frame_key
from devices.protocol.hello import Challenge, MutualWelcome, Welcome, make_hello
from devices.protocol.messages import decode_message
from devices.protocol.mutual import Epoch, GatewayGreeting, renewed_certificate
from devices.protocol.settings import detach
from devices.protocol.suites import SUITE_NAMES, Suite

log = logging.getLogger(__name__)

SOFTWARE = "medtwin-gateway/2"  # 2: follows the cipher that the server wishes
CLOCK_TOLERANCE_S = 5.0


class Greeter(Protocol):
    """What a session needs of whoever greets.

    seals: device id -> what seals its frames. resendable: codes of refusals after which the same readings are welcome
    when they are sealed again. server_ahead_s: how far the server's clock was ahead at the last welcome.
    """

    seals: dict[int, DeviceSeal]
    resendable: frozenset[str]
    server_ahead_s: float

    def begin(self) -> dict[int, bytes]:
        """Get ready for a new line; return device id -> frame key, which is kept up to date."""
        ...

    def hello(self, challenge: Challenge) -> str:
        """Return the answer to a challenge. Raises GatewayRefused."""
        ...

    def hello_again(self) -> str:
        """Return the hello that begins the next epoch in an open session."""
        ...

    def welcome(self, message: str | bytes) -> int:
        """Take the welcome in and return the credit. Raises GatewayRefused or FrameMalformed."""
        ...

    def sealed(self, frames: int) -> None:
        """Count frames that were sealed under the present keys."""
        ...

    def is_due(self) -> bool:
        """Tell whether it is time for the next epoch."""
        ...


class PlainGreeter:
    """Of a gateway that was not paired: a key that it proves, and frame keys from its configuration."""

    resendable = frozenset({"frame_replayed"})  # refused for its counter alone

    def __init__(self, gateway_id: int, key: Ed25519PrivateKey, seals: dict[int, DeviceSeal]) -> None:
        self._gateway_id, self._key, self.seals = gateway_id, key, seals
        self.server_ahead_s = 0.0

    def begin(self) -> dict[int, bytes]:
        """Return the keys, which stay."""
        return {device: seal.key for device, seal in self.seals.items()}

    def hello(self, challenge: Challenge) -> str:
        """Return the answer to a challenge. Raises GatewayRefused."""
        hello = make_hello(challenge, gateway_id=self._gateway_id, software=SOFTWARE, key=self._key)
        return msgspec.json.encode(hello).decode()

    def hello_again(self) -> str:
        """Refuse: there are no epochs."""
        raise GatewayRefused("a gateway that was not paired has no epochs")

    def welcome(self, message: str | bytes) -> int:
        """Return the credit. Raises FrameMalformed."""
        said = decode_message(message, Welcome)
        self.server_ahead_s = _server_ahead(said["server_time"])
        return said["credit"]

    def sealed(self, frames: int) -> None:
        """Nothing to count."""

    def is_due(self) -> bool:
        """Never."""
        return False


class MutualGreeter:
    """Of a gateway that was paired. Its file is read anew for each greeting: a device may have been paired since."""

    # The keys may have changed under a frame on its way, or somebody flipped a bit of it: sealed again it fits.
    # The cipher may be the server's wish of a moment ago: what is refused for it waits here, and nothing is lost.
    resendable = frozenset({"frame_replayed", "frame_epoch_unknown", "frame_forged", "frame_cipher_refused"})

    def __init__(
        self,
        gateway_id: int,
        path: Path,
        seals: dict[int, DeviceSeal],
        measurement: Callable[[], bytes] = bytes,
        settings: Settings | None = None,
    ) -> None:
        self._gateway_id, self._path, self.seals = gateway_id, path, seals
        self.server_ahead_s = 0.0
        self._keys: dict[int, bytes] = {}
        self._identities = self._load()
        self._greeting = self._new_greeting()
        self._epoch: Epoch | None = None
        self._due_at, self._frames_left = float("inf"), 0
        self._settings = settings
        self._configured = dict(seals)
        self.measurement = measurement  # makes what attests this software, anew for each greeting

    def begin(self) -> dict[int, bytes]:
        """Forget the epoch before and return where the keys of the next will be."""
        self._epoch = None
        self._due_at = float("inf")
        self._keys.clear()
        return self._keys

    def hello(self, challenge: Challenge) -> str:
        """Return the answer to a challenge. Raises GatewayRefused."""
        try:
            nonce = bytes.fromhex(challenge["nonce"])
        except ValueError as error:
            raise GatewayRefused("the server's challenge is not hexadecimal") from error
        return self._hello(nonce)

    def hello_again(self) -> str:
        """Return the hello that goes on from the open session."""
        if self._epoch is None:
            raise GatewayRefused("there is no epoch to go on from")
        return self._hello(self._epoch.transcript)

    def _hello(self, nonce: bytes) -> str:
        self._identities = self._load()
        self._greeting = self._new_greeting()
        hello = self._greeting.hello(nonce, now=time.time(), software=SOFTWARE, measurement=self.measurement())
        return msgspec.json.encode(hello).decode()

    def welcome(self, message: str | bytes) -> int:
        """Check that it is the server, take its epoch's keys, and return the credit. Raises GatewayRefused."""
        try:
            said = decode_message(message, MutualWelcome)
        except FrameMalformed as error:
            raise GatewayRefused("the server does not prove itself") from error
        now = time.time()
        epoch = self._greeting.check(said, now=now)
        self._take_certificate(said, now)
        self._take_settings(said, epoch)
        for device, seal in self.seals.items():
            suite = self._suite(device)
            key = frame_key(epoch.secret, device, suite, self._identities.device_root(device))
            self._keys[device] = key
            deflate = self._is_deflated(device)
            self.seals[device] = seal._replace(key=key, epoch=epoch.number, suite=suite, deflate=deflate)
        self._epoch = epoch
        self._due_at = time.monotonic() + max(1, said["epoch_s"])
        self._frames_left = max(1, said["epoch_frames"])
        self.server_ahead_s = _server_ahead(said["server_time"])
        return said["credit"]

    def sealed(self, frames: int) -> None:
        """Count frames, of all devices together."""
        self._frames_left -= frames

    def is_due(self) -> bool:
        """Tell whether the epoch's time or number of frames is over."""
        return self._frames_left <= 0 or time.monotonic() >= self._due_at

    def _take_certificate(self, welcome: MutualWelcome, now: float) -> None:
        known = self._identities
        renewed = renewed_certificate(welcome, known.link, self._gateway_id, now, tls_key=known.tls_public_key)
        if renewed is None or renewed.der.hex() in (known.gateway.certificate, known.gateway.tls_certificate):
            return
        try:
            save_identities(self._path, known.renewed(renewed.der, for_tls=renewed.for_tls))
            log.info("event=certificate_renewed until=%s", renewed.said.not_after.isoformat())
        except IdentityUnusable as error:  # the old one counts for months yet, and the next greeting brings it again
            log.error("event=certificate_not_kept reason=%r", error.message)

    def _take_settings(self, welcome: MutualWelcome, epoch: Epoch) -> None:
        try:
            wanted = detach(welcome, epoch.secret)
        except FrameMalformed as error:  # it stays as it is: readings matter more than how they are sent
            log.error("event=settings_refused reason=%r", error.message)
            return
        if wanted is not None and self._settings is not None:
            self._settings.take(wanted)

    def _is_deflated(self, device: int) -> bool:
        wished = self._settings.of(device) if self._settings is not None else None
        return self._configured[device].deflate if wished is None else wished.deflate

    def _suite(self, device: int) -> Suite:
        wished = self._settings.of(device) if self._settings is not None else None
        return self._configured[device].suite if wished is None or not wished.suite else SUITE_NAMES[wished.suite]

    def _new_greeting(self) -> GatewayGreeting:
        known = self._identities
        return GatewayGreeting(self._gateway_id, known.link, known.serial, known.root)

    def _load(self) -> Identities:
        found = load_identities(self._path)
        if found.gateway_id != self._gateway_id:
            raise IdentityUnusable(f"{self._path.name} is the identity of gateway {found.gateway_id}")
        return found


def greeter_of(config: GatewayConfig, settings: Settings | None = None) -> Greeter:
    """Return how this gateway greets; what welcomes wish goes into `settings`.

    Raises ConfigRefused or IdentityUnusable.
    """
    paired = bool(config.identity_file)
    keys = {} if paired else config.keys()
    seals = {
        one.device_id: DeviceSeal(keys.get(one.device_id, b""), one.epoch, SUITE_NAMES[one.suite], one.deflate)
        for one in config.devices
    }
    if paired:
        measured = partial(measure, Path(config.folder) / config.file, config.plant.entry)
        return MutualGreeter(config.gateway_id, config.path(config.identity_file), seals, measured, settings)
    return PlainGreeter(config.gateway_id, config.private_key(), seals)


def _server_ahead(server_time: float) -> float:
    ahead_s = server_time - time.time()
    if abs(ahead_s) > CLOCK_TOLERANCE_S:
        log.warning("event=clock_offset seconds=%.1f", -ahead_s)
    return ahead_s
