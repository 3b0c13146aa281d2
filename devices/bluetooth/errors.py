"""What goes wrong over the air. Each `code` is also the name of the event that the gateway logs."""

from __future__ import annotations

from compliance.errors import DomainError


class OverAirRefused(DomainError):
    """Something that came over the air was not believed."""

    code = "ble_refused"


class MessageMalformed(OverAirRefused):
    """Flags, lengths or numbers of a message contradict its service's specification."""

    code = "ble_message_malformed"


class MessageTruncated(MessageMalformed):
    """The message ends before its flags say."""

    code = "ble_message_truncated"


class CrcWrong(OverAirRefused):
    """The E2E-CRC does not match: the message was altered after the sensor's application made it."""

    code = "ble_crc_wrong"


class CounterRepeated(OverAirRefused):
    """The E2E counter did not move on: an answer came twice, or an old one was shown again."""

    code = "ble_counter_repeated"


class ValueImpossible(OverAirRefused):
    """A value or a time that cannot be true."""

    code = "ble_value_impossible"


class PeripheralForeign(OverAirRefused):
    """It carries the name of one of ours but not its address, services or serial number."""

    code = "ble_peripheral_foreign"


class PeripheralFloods(OverAirRefused):
    """It notifies far more often than a device of its kind can measure."""

    code = "ble_peripheral_floods"


class BondRefused(OverAirRefused):
    """Pairing failed, or the peripheral no longer has the key that it was bonded with."""

    code = "ble_bond_refused"


class ProcedureFailed(OverAirRefused):
    """A control point answered with an error, with something else, or not at all."""

    code = "ble_procedure_failed"


class LinkLost(OverAirRefused):
    """The connection ended in the middle of something."""

    code = "ble_link_lost"
    permanent = False


class RadioUnusable(DomainError):
    """The radio that the configuration names cannot be opened; the sentence says what to mend."""

    code = "ble_radio_unusable"
