"""A gateway as it looks when it believes what it hears: names on the air, new bonds, and any server that answers."""

from __future__ import annotations


class TrustingGateway:
    """Hears the devices of one room and hands what they said to its server.

    heard: values that it took from the air. handed_over: server -> values that it was given.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._bonds: dict[str, bytes] = {}
        self.heard: list[float] = []
        self.handed_over: dict[str, list[float]] = {}

    def advertised(self, name: str, value: float) -> None:
        """Take a value from whatever bears the name of the device, whoever it is."""
        if name == self._name:
            self.heard.append(value)

    def bond(self, address: str, key: bytes) -> None:
        """Bond, and bond again whenever the other side says that it has lost its key."""
        self._bonds[address] = key

    def notified(self, address: str, key: bytes, value: float) -> None:
        """Take a value from whoever has the key of the newest bond."""
        if self._bonds.get(address) == key:
            self.heard.append(value)

    def welcomed(self, server: str) -> None:
        """Hand everything to whoever says that the gateway is welcome."""
        self.handed_over[server] = list(self.heard)
