"""The numbers of the standard that every Ascon backend shares."""

from __future__ import annotations

RATE_BYTES = 16

# SP 800-232, tables 5 and 12 and section 4.1.
ROUND_CONSTANTS = (0xF0, 0xE1, 0xD2, 0xC3, 0xB4, 0xA5, 0x96, 0x87, 0x78, 0x69, 0x5A, 0x4B)
ROUNDS_A = 12  # around the key
ROUNDS_B = 8  # between blocks
IV = 0x00001000808C0001
DOMAIN_SEPARATION = 1 << 63
MASK_64 = (1 << 64) - 1
