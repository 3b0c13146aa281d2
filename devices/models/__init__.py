"""Things as stored: gateways and devices, and the energy that they use."""

from devices.models.energy import EnergyUsage, Hop, Span
from devices.models.registry import Device, DeviceState, Gateway, GatewayState

__all__ = ["Device", "DeviceState", "EnergyUsage", "Gateway", "GatewayState", "Hop", "Span"]
