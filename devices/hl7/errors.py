"""Named errors of the HL7 link. Each is also the `code` of the event that records it."""

from __future__ import annotations

from compliance.errors import DomainError


class HL7Error(DomainError):
    """The HL7 link failed."""

    code = "hl7_error"


class FrameBroken(HL7Error):
    """The peer sent bytes that are no MLLP block: outside of one, too many, or ended wrongly."""

    code = "hl7_frame_broken"
    permanent = False


class MessageMalformed(HL7Error):
    """This is not a readable HL7 v2 message of the expected kind."""

    code = "hl7_message_malformed"


class PeerUnreachable(HL7Error):
    """The receiver could not be reached, or did not answer in time. Messages wait and are sent again."""

    code = "hl7_peer_unreachable"
    permanent = False


class PeerUntrusted(HL7Error):
    """The receiver's certificate does not hold, or it did not accept ours. Nothing was sent."""

    code = "hl7_peer_untrusted"
    permanent = False


class CertificateWrong(HL7Error):
    """This is no certificate that can be used: paste the PEM text of the authority that signs the receiver's."""

    code = "hl7_certificate_wrong"


class DestinationWrong(HL7Error):
    """The destination cannot be saved as it is."""

    code = "hl7_destination_wrong"


class MessageNotParked(HL7Error):
    """Only a message that the receiver refused can be sent again."""

    code = "hl7_message_not_parked"
    http_status = 409
