"""What sending readings costs in joules: radios, processors, and the share that security takes. Plain Python."""

from devices.energy.cost import SEAL_BYTES, Cost, message_cost
from devices.energy.links import LINKS, Link
from devices.energy.traffic import Traffic, traffic_of

__all__ = ["LINKS", "SEAL_BYTES", "Cost", "Link", "Traffic", "message_cost", "traffic_of"]
