from __future__ import annotations

import pytest

from devices.transport.address import AddressWrong, parse_address


def test_address_names_broker_account_and_topics() -> None:
    address = parse_address("mqtts://ward%204:p%40ss@broker.example/hospital/west")
    assert address[:5] == ("broker.example", 8883, True, "ward 4", "p@ss")
    assert address.topic(7, "frames") == "hospital/west/medtwin/1/7/frames"
    assert address.of_all_gateways("hello") == "hospital/west/medtwin/1/+/hello"


def test_shortest_address_has_the_usual_port_and_no_account() -> None:
    assert parse_address("mqtt://127.0.0.1") == ("127.0.0.1", 1883, False, None, None, "medtwin/1")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mqtt://",
        "http://broker",
        "mqtt://broker:port",
        "mqtt://broker:99999",
        "mqtt://broker/a+b",
        "mqtt://b/#",
        "mqtt://b/a//b",
    ],
)
def test_address_that_names_no_broker_is_refused(url: str) -> None:
    with pytest.raises(AddressWrong):
        parse_address(url)


@pytest.mark.parametrize(
    ("topic", "place"),
    [
        ("medtwin/1/7/frames", (7, "frames")),
        ("medtwin/1/4294967295/presence", (4294967295, "presence")),
        ("medtwin/1/4294967296/frames", None),
        ("medtwin/1/0/frames", None),
        ("medtwin/1/07/frames", None),
        ("medtwin/1/\u0661/frames", None),
        ("medtwin/1/x/frames", None),
        ("medtwin/2/7/frames", None),
        ("other/medtwin/1/7/frames", None),
        ("medtwin/17/frames", None),
    ],
)
def test_topic_is_read_strictly(topic: str, place: tuple[int, str] | None) -> None:
    assert parse_address("mqtt://broker").place(topic) == place
