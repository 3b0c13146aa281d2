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


class FrameCipherRefused(FrameError):
    """The frame is sealed with another cipher than the one that was agreed on for this device."""

    code = "frame_cipher_refused"


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


class GatewayUnattested(GatewayRefused):
    """The gateway's software or configuration is not what was approved; it is in quarantine."""

    code = "gateway_unattested_refused"


class GatewayCrowdedOut(GatewayRefused):
    """Too many connections waited for their hello at once; this one had been silent longest."""

    code = "gateway_crowded_out"


class CertificateRefused(GatewayRefused):
    """A certificate of the device link was refused."""

    code = "certificate_refused"


class CertificateMalformed(CertificateRefused):
    """This is no certificate of the house's kind."""

    code = "certificate_malformed"


class CertificateForeign(CertificateRefused):
    """The certificate was not issued by this house's authority."""

    code = "certificate_foreign"


class CertificateOfAnother(CertificateRefused):
    """The certificate names somebody else, or was issued for another purpose."""

    code = "certificate_of_another"


class CertificateExpired(CertificateRefused):
    """The certificate's time is over, or has not begun."""

    code = "certificate_expired"


class CertificateRevoked(CertificateRefused):
    """The certificate was taken back, or another one took its place."""

    code = "certificate_revoked"


class ClockSkewed(GatewayRefused):
    """The clocks of gateway and server are too far apart."""

    code = "gateway_clock_skewed"


class SuiteUnknown(GatewayRefused):
    """Gateway and server have no cipher suite in common."""

    code = "suite_unknown"


class HelloOutdated(GatewayRefused):
    """A paired gateway must prove both sides: the older hello is not taken from it."""

    code = "hello_outdated"


class PairingRefused(DomainError):
    """Nothing was paired: the code is wrong, used or over. Make a new one on the page of the gateway or device."""

    code = "pairing_refused"
    http_status = 403


class PairingMalformed(PairingRefused):
    """This is no message of a pairing."""

    code = "pairing_malformed"
    http_status = 400


class PairingUnknown(PairingRefused):
    """No pairing waits under this reference."""

    code = "pairing_unknown"


class PairingForged(PairingRefused):
    """A message of a pairing was altered, or made by somebody who does not take part in it."""

    code = "pairing_forged"


class PairingCodeWrong(PairingRefused):
    """A wrong pairing code was given."""

    code = "pairing_code_wrong"


class PairingCodeDead(PairingRefused):
    """A pairing code was guessed at too often and is dead."""

    code = "pairing_code_dead"


class PairingCodeExpired(PairingRefused):
    """A pairing code was shown after its time."""

    code = "pairing_code_expired"


class PairingCodeUsed(PairingRefused):
    """A pairing code was shown again after it had paired."""

    code = "pairing_code_used"


class PairingBusy(PairingRefused):
    """Too many pairings under one code are on their way at once."""

    code = "pairing_busy"
    http_status = 429
    permanent = False


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
