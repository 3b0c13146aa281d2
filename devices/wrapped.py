"""What this package keeps under FIELD_KEY, named for whoever exchanges that key."""

from __future__ import annotations

from compliance.keyring import field_box
from compliance.services.rotation import FIELD, WrappedColumn, register_wrapped
from devices.models import (
    Authority,
    Certificate,
    CoapSecret,
    Device,
    DeviceHome,
    FormerKey,
    FormerRoot,
    Gateway,
    HL7Message,
    KeyEpoch,
    MessageState,
)
from devices.protocol.certificates import Kind, Subject
from devices.selectors.keys import device_root_box, epoch_box, gateway_root_box, key_box
from devices.services.authority import authority_box


def register() -> None:
    """Name the columns; called once from AppConfig.ready."""
    register_wrapped(WrappedColumn(FIELD, "keys of devices", Device.objects.order_by, "key_sealed", key_box))
    register_wrapped(WrappedColumn(FIELD, "former keys of devices", FormerKey.objects.order_by, "key_sealed", key_box))
    _register_trust()
    register_wrapped(
        WrappedColumn(
            FIELD,
            "secrets of gateways for CoAP",
            lambda: CoapSecret.objects.exclude(secret_sealed=None),
            "secret_sealed",
            lambda: field_box("coap-secret"),
        )
    )
    register_wrapped(
        WrappedColumn(
            FIELD,
            "HL7 messages that wait",
            lambda: HL7Message.objects.exclude(state=MessageState.ACCEPTED),  # these hold nothing any more
            "content_sealed",
            lambda: field_box("hl7-outbox"),
        )
    )


def _register_trust() -> None:
    """Name what pairings and the authority keep; what a run keeps for a minute goes with its code."""
    columns = [
        WrappedColumn(
            FIELD, "the authority's key", Authority.objects.order_by, "key_sealed", authority_box, str.encode
        ),
        WrappedColumn(
            FIELD,
            "the link's own keys",
            lambda: Certificate.objects.exclude(key_sealed=None),
            "key_sealed",
            authority_box,
        ),
        WrappedColumn(
            FIELD,
            "roots of gateways",
            lambda: Gateway.objects.exclude(root_sealed=None),
            "root_sealed",
            gateway_root_box,
            lambda pk: Subject(Kind.GATEWAY, pk).urn.encode(),
        ),
        WrappedColumn(
            FIELD, "roots of devices", lambda: Device.objects.exclude(root_sealed=None), "root_sealed", device_root_box
        ),
        WrappedColumn(
            FIELD,
            "former roots of devices",
            lambda: FormerRoot.objects.exclude(root_sealed=None),
            "root_sealed",
            device_root_box,
        ),
        WrappedColumn(
            FIELD,
            "roots of devices on other gateways",
            lambda: DeviceHome.objects.exclude(root_sealed=None),
            "root_sealed",
            device_root_box,
        ),
        WrappedColumn(FIELD, "secrets of epochs", KeyEpoch.objects.order_by, "secret_sealed", epoch_box),
    ]
    for column in columns:
        register_wrapped(column)
