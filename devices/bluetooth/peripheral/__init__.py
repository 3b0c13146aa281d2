"""Emulated devices as GATT peripherals: what a plant measured leaves over the air as a real device would say it."""
