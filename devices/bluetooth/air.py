"""The virtual radio: bumble's link between software controllers, for tests and demonstrations without any hardware.

A gateway with a radio never imports this: a controller in software is a good part of bumble.
"""

from __future__ import annotations

import contextlib

from bumble.controller import Controller
from bumble.device import Device
from bumble.hci import (
    HCI_ErrorCode,
    HCI_LE_Connection_Complete_Event,
    HCI_LE_Create_Connection_Cancel_Command,
    HCI_Read_RSSI_Command,
    HCI_Read_RSSI_ReturnParameters,
    HCI_StatusReturnParameters,
    Role,
)
from bumble.keys import KeyStore
from bumble.link import LocalLink
from bumble.transport.common import TransportSink, TransportSource

from devices.bluetooth.host import host


class RoomController(Controller):
    """bumble's controller, which also tells how well it hears. rssi: dBm, the same for all."""

    rssi = -50

    def on_hci_le_create_connection_cancel_command(
        self, command: HCI_LE_Create_Connection_Cancel_Command
    ) -> HCI_StatusReturnParameters:
        """Give a connection up that did not come about, as the specification wants it (7.8.13); bumble's goes on."""
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return HCI_StatusReturnParameters(status=HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        self.send_hci_packet(
            HCI_LE_Connection_Complete_Event(
                status=HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                connection_handle=0,
                role=Role.CENTRAL,
                peer_address_type=pending.peer_address.address_type,
                peer_address=pending.peer_address,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            )
        )
        return HCI_StatusReturnParameters(status=HCI_ErrorCode.SUCCESS)

    def on_hci_read_rssi_command(self, command: HCI_Read_RSSI_Command) -> HCI_Read_RSSI_ReturnParameters:
        """Answer HCI_Read_RSSI (Core 5.4, vol 4, part E, 7.5.4)."""
        return HCI_Read_RSSI_ReturnParameters(status=HCI_ErrorCode.SUCCESS, handle=command.handle, rssi=self.rssi)


class Air:
    """A room in which radios hear each other."""

    def __init__(self) -> None:
        self._link = LocalLink()  # type: ignore[no-untyped-call]

    def controller(
        self, name: str, source: TransportSource | None = None, sink: TransportSink | None = None
    ) -> Controller:
        """Return a new controller in this room, for a host behind a transport when there is one."""
        return RoomController(name, source, sink, self._link)

    def switch_off(self, controller: Controller) -> None:
        """Take a controller out of the room."""
        self._link.remove_controller(controller)

    def device(self, name: str, address: str, keys: KeyStore | None = None) -> Device:
        """Return a host with a controller of its own in this room."""
        controller = self.controller(name)
        return host(name, address, controller, controller, keys)

    def leave(self, device: Device) -> None:
        """Take a device out of the room, as if it were switched off or carried away; connections time out."""
        self.cut(device)
        for controller in self._of(device):
            self._link.remove_controller(controller)

    def cut(self, device: Device) -> None:
        """Interrupt the device's connections the way distance does: both ends notice, nobody says goodbye."""
        for controller in self._of(device):
            for connection in list(controller.le_connections.values()):
                peer = self._link.find_le_controller(connection.peer_address)
                with contextlib.suppress(KeyError):
                    controller.on_le_disconnected(connection, HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)
                other = peer and peer.le_connections.get(connection.self_address)
                if peer is not None and other:
                    peer.on_le_disconnected(other, HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)

    def _of(self, device: Device) -> list[Controller]:
        return [c for c in self._link.controllers if c.random_address == device.random_address]
