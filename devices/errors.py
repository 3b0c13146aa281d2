"""Named errors of the device link. Each protocol error is also the `code` of the event that records it."""

from __future__ import annotations

from compliance.errors import DomainError


class FrameError(DomainError):
    """A frame was refused."""

    code = "frame_refused"


class FrameMalformed(FrameError):
    """The frame is too short, has an unknown version, kind or cipher, or its payload does not add up."""

    code = "frame_malformed"


class FrameTruncated(FrameMalformed):
    """The frame ends before its length says."""

    code = "frame_truncated"


class FrameOversized(FrameError):
    """The frame is larger than a gateway may send."""

    code = "frame_oversized"


class FrameForged(FrameError):
    """The authentication tag does not match: forged, altered, or sealed under another key."""

    code = "frame_forged"


class FrameReplayed(FrameError):
    """This counter was already accepted, or lies behind the replay window."""

    code = "frame_replayed"


class FrameFromWrongDevice(FrameError):
    """The device is unknown, retired, quarantined, or does not belong to this gateway."""

    code = "frame_wrong_device"


class FrameEpochUnknown(FrameError):
    """The frame's key epoch is not the device's current one."""

    code = "frame_epoch_unknown"


class ReadingError(DomainError):
    """A reading inside an authentic frame was refused."""

    code = "reading_refused"


class ReadingMetricUnknown(ReadingError):
    """The metric code is not one that this kind of device measures."""

    code = "reading_metric_unknown"


class ReadingNotFinite(ReadingError):
    """The value is NaN or infinite."""

    code = "reading_not_finite"


class ReadingOutOfRange(ReadingError):
    """The value lies outside the physical range of its metric."""

    code = "reading_out_of_range"


class ReadingClockJump(ReadingError):
    """The device time lies too far in the future or implausibly far in the past."""

    code = "reading_clock_jump"


class ReadingSequenceReused(ReadingError):
    """The sequence number already belongs to another reading of this device. The first one stays."""

    code = "reading_sequence_reused"


class GatewayRefused(DomainError):
    """The gateway could not prove who it is, or is not allowed to connect."""

    code = "gateway_refused"
    http_status = 401


class CreditExceeded(DomainError):
    """The gateway sent more unanswered frames than its credit allows."""

    code = "gateway_credit_exceeded"
    http_status = 429


class StoreUnavailable(DomainError):
    """The telemetry store is locked, full or unreachable. Nothing was acknowledged; the gateway will send again."""

    code = "store_unavailable"
    http_status = 503
    permanent = False


class WindowsMoved(StoreUnavailable):
    """Another process moved a replay window of this group. Nothing was stored; the gateway will send again."""

    code = "windows_moved"
