"""Files of an export on disk: sealed piece by piece, written once and read as a stream."""

from compliance.bulk.sealed import SealedFile, SealedFileAltered, SealedLines, read_bytes, read_lines

__all__ = ["SealedFile", "SealedFileAltered", "SealedLines", "read_bytes", "read_lines"]
