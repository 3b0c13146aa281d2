"""Bluetooth Low Energy: codecs of the adopted health services, emulated peripherals, and the gateway as a GATT central.

Bytes and records stand in `codec/`, which needs nothing but the standard library. Everything that speaks over a radio
needs `bumble` (extra `bluetooth`) and is imported only where a gateway has a radio.
"""
