r"""Text inside HL7 fields: delimiters, line breaks and controls never reach the wire as themselves.

hl7apy takes a text such as `\F\` for an escape that was made already, and knows no `\X0D\`, so a name could smuggle a
field or lose a line break. Escaping is therefore done around it: what must not stand in a field is veiled, byte by byte
of its UTF-8, by 256 private-use characters that mean nothing to hl7apy; in the encoded message each becomes the escape
sequence of HL7 v2.6 chapter 2.7, and back.
"""

from __future__ import annotations

import re

_FIRST = 0xF600  # U+F600 + n stands for byte n
_NAMED = {ord("|"): "F", ord("^"): "S", ord("&"): "T", ord("~"): "R", ord("\\"): "E"}
_BYTE_OF = {name: byte for byte, name in _NAMED.items()}
# Delimiters, controls, line and paragraph separators, the truncation mark, and the private characters themselves.
_SPECIAL = re.compile(r"[|^&~\\#\x00-\x1f\x7f-\x9f\u2028\u2029\uf600-\uf6ff]|^\s|\s$")
_VEILED = re.compile("[\uf600-\uf6ff]+")
_ESCAPE = re.compile(r"\\([FSTRE]|X(?:[0-9A-Fa-f]{2})+)\\")


def veil(text: str) -> str:
    """Return `text` with everything that must not stand in a field put behind private characters."""
    return _SPECIAL.sub(lambda found: _characters(found[0].encode()), text)


def unveil(text: str) -> str:
    """Return what `veil` was given. Bytes of a stranger that are no UTF-8 become replacement characters."""
    return _VEILED.sub(lambda found: _bytes(found[0]).decode(errors="replace"), text)


def to_wire(veiled: str) -> str:
    """Return an encoded message with its veiled characters as escape sequences."""
    return _VEILED.sub(lambda found: _escapes(_bytes(found[0])), veiled)


def from_wire(encoded: str) -> str:
    r"""Return an encoded message with its escape sequences veiled. Sequences for looks (`\H\`) stay as they are."""
    return _ESCAPE.sub(lambda found: _characters(_escaped(found[1])), encoded)


def _characters(data: bytes) -> str:
    return "".join(chr(_FIRST + byte) for byte in data)


def _bytes(characters: str) -> bytes:
    return bytes(ord(one) - _FIRST for one in characters)


def _escaped(sequence: str) -> bytes:
    return bytes.fromhex(sequence[1:]) if sequence[0] == "X" else bytes([_BYTE_OF[sequence]])


def _escapes(data: bytes) -> str:
    """Return the sequences of a run of bytes: named where there is a name, hexadecimal for the rest."""
    parts: list[str] = []
    hexadecimal = ""
    for byte in data:
        if byte not in _NAMED:
            hexadecimal += f"{byte:02X}"
            continue
        parts += [f"\\X{hexadecimal}\\"] if hexadecimal else []
        parts.append(f"\\{_NAMED[byte]}\\")
        hexadecimal = ""
    return "".join(parts) + (f"\\X{hexadecimal}\\" if hexadecimal else "")
