"""What a byte costs on each radio or wire: the figures, and where every one of them comes from.

A message is cut into packets. Each packet pays its headers and the listening around it (carrier sense, turn-round,
ack); each message pays for waking the stack; and a link with a tail keeps its receiver on after a message until the
next one comes or the tail ends. Energy drawn whether or not anybody sends (sleep, an idle Ethernet PHY) is not charged.
The source of every figure stands beside it as data, because the energy page shows it: (D) data sheet or standard,
(P) published measurement, (E) our estimate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, inf
from types import MappingProxyType

US = 1e-6  # s
STACK_BYTES = 20 + 32 + 22 + 8  # IPv4, TCP with time stamps, TLS 1.3 record, WebSocket: under each of our packets


@dataclass(frozen=True, slots=True)
class Link:
    """One kind of link, seen from the sender. Powers in W, times in s, energies in J."""

    name: str
    label: str
    source: str  # where the figures come from, for the page that shows them
    transmit_w: float
    receive_w: float
    byte_s: float  # airtime of one byte
    preamble_s: float  # airtime per packet that does not grow with bytes
    packet_overhead_bytes: int  # headers and trailers of all layers below ours
    packet_payload_bytes: int  # our bytes that fit into one packet
    listen_s: float  # receiver time per packet
    wake_j: float  # per message: clocks, stack, connection event
    tail_w: float = 0.0
    tail_s: float = 0.0  # how long the link stays up after a message
    connect_j: float = 0.0  # to come back once the tail has ended
    stack_bytes: int = 0  # of `packet_overhead_bytes`: what is IP and above, where it speaks IP

    def packets(self, payload_bytes: float) -> int:
        """Return how many packets carry `payload_bytes`; an empty message is one packet."""
        return max(1, ceil(payload_bytes / self.packet_payload_bytes))

    def send_j(self, payload_bytes: float) -> float:
        """Return the energy of sending one message of `payload_bytes`, without its tail, in J."""
        listen_s = self.packets(payload_bytes) * self.listen_s
        return self.wake_j + self.transmit_w * self.air_s(payload_bytes) + self.receive_w * listen_s

    def air_bytes(self, payload_bytes: float) -> float:
        """Return the bytes of one message with the headers of all its packets."""
        return payload_bytes + self.packets(payload_bytes) * self.packet_overhead_bytes

    def air_s(self, payload_bytes: float) -> float:
        """Return the airtime of one message, in s."""
        return self.packets(payload_bytes) * self.preamble_s + self.air_bytes(payload_bytes) * self.byte_s

    def tail_j(self, gap_s: float = inf) -> float:
        """Return the energy of staying up after a message when the next one follows after `gap_s`, in J."""
        return self.tail_w * min(gap_s, self.tail_s) + (self.connect_j if gap_s > self.tail_s else 0.0)


BLE = Link(
    name="ble",
    label="Bluetooth LE",
    source=(
        "Nordic nRF52840 product specification 1.x, RADIO, DC/DC at 3 V: 0 dBm transmit 4.8 mA, 1 Mb/s receive 4.6 mA "
        "(D). Bluetooth Core 5.4, Vol 6 Part B: 8 us a byte; preamble 1, access address 4, header 2, MIC 4, CRC 3; "
        "L2CAP 4 and ATT 3 on top; 251-byte data PDUs leave 244 for a notification; poll and ack are empty PDUs of 80 "
        'us, each 150 us away (D). Waking: 1 ms of the 64 MHz core at 3.3 mA (E). Cross-check: Siekkinen et al., "How '
        'low energy is Bluetooth Low Energy?", IEEE WCNC Workshops 2012: BLE beats 802.15.4 in bytes per joule, more '
        "so the longer the packet."
    ),
    transmit_w=4.8e-3 * 3.0,
    receive_w=4.6e-3 * 3.0,
    byte_s=8 * US,
    preamble_s=0.0,
    packet_overhead_bytes=14 + 7,
    packet_payload_bytes=244,
    listen_s=2 * (150 + 80) * US,
    wake_j=3.3e-3 * 3.0 * 1e-3,
)
IEEE_802_15_4 = Link(
    name="802.15.4",
    label="IEEE 802.15.4",
    source=(
        "TI CC2538 data sheet SWRS096: transmit at 0 dBm 24 mA, receive 20 mA, active core 13 mA, here at 3 V (D). "
        "IEEE 802.15.4-2020, 2.4 GHz O-QPSK: 32 us a byte; preamble, SFD and length 6; MAC header 11, security header "
        "and MIC 13, FCS 2; 127-byte PSDU. Listening: mean back-off 3.5 x 320 us, CCA 128 us, two turn-rounds of 192 "
        "us, ack 352 us (D). 6LoWPAN with compressed UDP takes 10 of the payload; waking is 1 ms of the core (E)."
    ),
    transmit_w=24e-3 * 3.0,
    receive_w=20e-3 * 3.0,
    byte_s=32 * US,
    preamble_s=0.0,
    packet_overhead_bytes=6 + 11 + 13 + 2 + 10,
    packet_payload_bytes=127 - 11 - 13 - 2 - 10,
    listen_s=(3.5 * 320 + 128 + 2 * 192 + 352) * US,
    wake_j=13e-3 * 3.0 * 1e-3,
)
WIFI = Link(
    name="wifi",
    label="Wi-Fi",
    source=(
        "Espressif ESP32-S2-WROOM data sheet 1.1, table 7, 3.3 V: 802.11g at 54 Mb/s transmit 220 mA, receive 63 mA "
        "(D). IEEE 802.11-2020 ERP-OFDM: preamble 20 us and 6 us extension; QoS header 26, CCMP 16, FCS 4, LLC 8; "
        "listening: DIFS 28, mean back-off 7.5 x 9, SIFS 10, ack 28, and the TCP ack that comes back, about 130 us "
        "(D; the last one E). Above it IPv4 20, TCP with time stamps 32, TLS 1.3 record 22, WebSocket 8. Tail 238.1 "
        'ms at 119.3 mW and re-association with the beacon 79.1 ms at 124.4 mW: Huang et al., "A close examination of '
        'performance and power characteristics of 4G LTE networks", MobiSys 2012, table 3 (P, a telephone: an upper '
        "figure for a gateway). The same shape, a short tail, is in Balasubramanian et al., IMC 2009. Waking 1 ms at "
        "22 mA (E)."
    ),
    transmit_w=220e-3 * 3.3,
    receive_w=63e-3 * 3.3,
    byte_s=8 / 54 * US,
    preamble_s=26 * US,
    packet_overhead_bytes=26 + 16 + 4 + 8 + STACK_BYTES,
    stack_bytes=STACK_BYTES,
    packet_payload_bytes=1380,
    listen_s=(28 + 7.5 * 9 + 10 + 28 + 130) * US,
    wake_j=22e-3 * 3.3 * 1e-3,
    tail_w=0.1193,
    tail_s=0.2381,
    connect_j=0.1244 * 0.0791,
)
LTE_M = Link(
    name="lte-m",
    label="LTE-M",
    source=(
        "Nordic nRF9160 product specification, modem, Cat-M1, measured at 3.7 V: 180 kb/s uplink at 10 dBm in band 20 "
        "50 mA; the 0 dBm row, 45 mA, stands in for receiving; a whole connect-and-release (PSM TAU) 105 mJ (D). The "
        "tail's length is the network's inactivity timer, 11.576 s: Huang et al., MobiSys 2012, table 3 (P); its "
        "power, a Cat-M1 modem in 320 ms connected DRX, about 8 mA (E): far below the telephone's 1.06 W in that "
        "paper. Waiting 20 ms for grant and ack (E). PDCP, RLC, MAC 6; IPv4 20, TCP 32, TLS 22, WebSocket 8."
    ),
    transmit_w=50e-3 * 3.7,
    receive_w=45e-3 * 3.7,
    byte_s=8 / 180e3,
    preamble_s=0.0,
    packet_overhead_bytes=6 + STACK_BYTES,
    stack_bytes=STACK_BYTES,
    packet_payload_bytes=1300,
    listen_s=0.020,
    wake_j=0.0,
    tail_w=8e-3 * 3.7,
    tail_s=11.576,
    connect_j=0.105,
)
ETHERNET = Link(
    name="ethernet",
    label="Ethernet",
    source=(
        "TI DP83848 data sheet: 270 mW in 100BASE-TX, here only while our bits are on the wire (D); IEEE 802.3: 80 ns "
        "a byte, preamble 8, header 14, FCS 4, gap 12; IPv4 20, TCP 32, TLS 22, WebSocket 8. Waking 20 us of a 0.5 W "
        "host (E)."
    ),
    transmit_w=0.270,
    receive_w=0.270,
    byte_s=0.08 * US,
    preamble_s=0.0,
    packet_overhead_bytes=8 + 14 + 4 + 12 + STACK_BYTES,
    stack_bytes=STACK_BYTES,
    packet_payload_bytes=1400,
    listen_s=(8 + 14 + 4 + 12 + 52) * 0.08 * US,
    wake_j=0.5 * 20 * US,
)
WIRED = Link(
    name="wired",
    label="Serial wire",
    source=(
        "An isolated serial line at 115200 baud, ten bits a byte (D); isolator and transceiver 10 mA at 3.3 V (E); a "
        "frame of start, length and CRC takes 5 bytes of every 256 (E)."
    ),
    transmit_w=10e-3 * 3.3,
    receive_w=10e-3 * 3.3,
    byte_s=10 / 115_200,
    preamble_s=0.0,
    packet_overhead_bytes=5,
    packet_payload_bytes=251,
    listen_s=2 * 10 / 115_200,
    wake_j=3.3e-3 * 3.0 * 1e-3,
)

LINKS: Mapping[str, Link] = MappingProxyType(
    {link.name: link for link in (BLE, IEEE_802_15_4, WIFI, LTE_M, ETHERNET, WIRED)}
)
