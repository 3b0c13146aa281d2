"""Lossless compression of pixels."""

from imaging.codec.jpegls import compressed, file_bytes

__all__ = ["compressed", "file_bytes"]
