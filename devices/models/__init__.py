"""Things as stored: gateways and devices."""

from devices.models.registry import Device, DeviceState, Gateway, GatewayState

__all__ = ["Device", "DeviceState", "Gateway", "GatewayState"]
