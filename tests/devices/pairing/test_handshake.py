"""Both halves of a pairing against each other, and against somebody in between."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.errors import DomainError
from devices.errors import (
    CertificateExpired,
    CertificateForeign,
    CertificateOfAnother,
    ClockSkewed,
    GatewayRefused,
    PairingForged,
    PairingMalformed,
    PairingRefused,
)
from devices.pairing import gateway_side, messages, server_side
from devices.pairing.address import PairingAddress, parse_uri
from devices.pairing.codes import ALPHABET, canonical, new_code
from devices.protocol.certificates import Kind, Subject
from tests.devices.pairing.cast import GATEWAY, REFERENCE, House, T, wait_time

HOUSE = House()
CODE = "7K3M-9QWX-2PTR-5VBN"
REFUSED = (PairingRefused, GatewayRefused)


def _run(house: House = HOUSE, address: PairingAddress | None = None) -> tuple[list[bytes], bytes, gateway_side.Paired]:
    address = address or house.address(CODE)
    pairing = gateway_side.Pairing(address, software="test")
    offer = pairing.offer(T)
    answer = house.answer(offer)
    proven = pairing.prove(answer, T)
    outcome, root = house.close(proven.message, address.code)
    return [offer, answer, proven.message, outcome], root, gateway_side.finish(proven, outcome, T)


def test_both_sides_have_the_same_root_and_the_gateway_a_certificate_for_its_own_key() -> None:
    _, root, paired = _run()
    assert paired.root == root
    assert len(root) == 32
    assert paired.subject == GATEWAY
    assert gateway_side.check(paired.certificate, paired.authority, expected=GATEWAY, now=wait_time(1))


def test_no_two_pairings_give_the_same_root() -> None:
    assert _run()[1] != _run()[1]


def test_messages_have_the_sizes_of_the_document() -> None:
    said, _, _ = _run()
    assert len(said[0]) == 1280
    assert len(said[2]) == messages.HEAD.size + 32 + 32 + 64 + 16 + 32 + 2 + len("test") + messages.TAG_BYTES


def test_neither_code_nor_identity_crosses_the_network_in_the_clear() -> None:
    said, _, paired = _run()
    symbols = canonical(CODE) or ""
    for message in said:
        assert symbols.encode() not in message
        assert paired.identity not in message
        assert paired.root not in message


def test_a_wrong_code_confirms_nothing() -> None:
    pairing = gateway_side.Pairing(HOUSE.address(CODE), software="test")
    proven = pairing.prove(HOUSE.answer(pairing.offer(T)), T)
    with pytest.raises(PairingForged):
        HOUSE.close(proven.message, new_code())


def test_a_server_that_does_not_know_the_code_is_not_believed() -> None:
    """It could close only with the code that the gateway showed it; here it closes with another run's message."""
    said, _, _ = _run()
    pairing = gateway_side.Pairing(HOUSE.address(CODE), software="test")
    proven = pairing.prove(HOUSE.answer(pairing.offer(T)), T)
    with pytest.raises(PairingForged):
        gateway_side.finish(proven, said[3], T)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_every_flipped_bit_of_every_message_is_refused(number: int) -> None:
    """Each byte of each message in turn, one bit of it: M1 is caught by the server's signature, M2 by it too."""
    address = HOUSE.address(CODE)
    size = len(_run(address=address)[0][number - 1])
    # M1 and M2 are large: every byte of what is not key material, and a sample of that.
    places = [*range(0, min(size, 120)), *range(120, size, 7), *range(max(0, size - 110), size)]
    for place in sorted(set(places)):
        with pytest.raises(REFUSED):
            _run_with_flip(address, number, place, 1 << place % 8)


def _run_with_flip(address: PairingAddress, number: int, place: int, bit: int) -> None:
    def through(count: int, message: bytes) -> bytes:
        if count != number:
            return message
        changed = bytearray(message)
        changed[min(place, len(changed) - 1)] ^= bit  # a certificate's number may be a byte shorter in this run
        return bytes(changed)

    pairing = gateway_side.Pairing(address, software="test")
    answer = through(2, HOUSE.answer(through(1, pairing.offer(T))))
    proven = pairing.prove(answer, T)
    outcome, _ = HOUSE.close(through(3, proven.message), address.code)
    gateway_side.finish(proven, through(4, outcome), T)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_message_of_another_run_does_not_fit_into_this_one(number: int) -> None:
    address = HOUSE.address(CODE)
    old = _run(address=address)[0]

    def through(count: int, message: bytes) -> bytes:
        return old[count - 1] if count == number else message

    pairing = gateway_side.Pairing(address, software="test")
    with pytest.raises(REFUSED):
        proven = pairing.prove(through(2, HOUSE.answer(through(1, pairing.offer(T)))), T)
        outcome, _ = HOUSE.close(through(3, proven.message), CODE)
        gateway_side.finish(proven, through(4, outcome), T)


def test_an_authority_that_was_not_pinned_is_refused_whatever_it_signs() -> None:
    stranger = House("House")
    pairing = gateway_side.Pairing(HOUSE.address(CODE), software="test")
    with pytest.raises(CertificateForeign):
        pairing.prove(stranger.answer(pairing.offer(T)), T)


def test_a_server_under_the_pinned_authority_with_a_foreign_certificate_is_refused() -> None:
    stranger = House("House")
    mixed = House(key=HOUSE.key)
    mixed.authority, mixed.link = HOUSE.authority, stranger.link._replace(authority=HOUSE.authority)
    pairing = gateway_side.Pairing(HOUSE.address(CODE), software="test")
    with pytest.raises(CertificateForeign):
        pairing.prove(mixed.answer(pairing.offer(T)), T)


def test_a_gateway_s_certificate_does_not_make_a_server() -> None:
    mixed = House(key=HOUSE.key)
    mixed.authority, mixed.link = HOUSE.authority, HOUSE.identity_of(Subject(Kind.GATEWAY, 9))
    pairing = gateway_side.Pairing(HOUSE.address(CODE), software="test")
    with pytest.raises(CertificateOfAnother):
        pairing.prove(mixed.answer(pairing.offer(T)), T)


def test_an_expired_certificate_of_the_server_is_refused() -> None:
    old = House(key=HOUSE.key)
    old.authority, old.link = HOUSE.authority, HOUSE.identity_of(server_side_subject(), days=1, made=wait_time(-3))
    pairing = gateway_side.Pairing(HOUSE.address(CODE), software="test")
    with pytest.raises(CertificateExpired):
        pairing.prove(old.answer(pairing.offer(T)), T)


def server_side_subject() -> Subject:
    return gateway_side.SERVER


@pytest.mark.parametrize("skew_s", [-301.0, 301.0, float("nan"), float("inf")])
def test_clocks_that_are_too_far_apart_are_refused_by_name(skew_s: float) -> None:
    pairing = gateway_side.Pairing(HOUSE.address(CODE), software="test")
    with pytest.raises(ClockSkewed):
        HOUSE.answer(pairing.offer(T + skew_s), T)


def test_an_answer_for_another_subject_or_pairing_is_refused() -> None:
    """Unknown key share: whoever relays a run to a server that thinks it is another's gets no agreement."""
    offer = gateway_side.Pairing(HOUSE.address(CODE), software="test")
    first = offer.offer(T)
    other = messages.read_head(first)._replace(subject=Subject(Kind.GATEWAY, 8))
    with pytest.raises(PairingForged):
        offer.prove(HOUSE.answer(other.raw + first[messages.HEAD.size :]), T)


def test_a_reflected_offer_is_no_answer() -> None:
    pairing = gateway_side.Pairing(HOUSE.address(CODE), software="test")
    offer = pairing.offer(T)
    with pytest.raises(PairingMalformed):
        pairing.prove(offer, T)
    with pytest.raises(PairingMalformed):
        server_side.answer_offer(HOUSE.answer(offer), HOUSE.link, now=T)


def test_a_point_of_small_order_is_refused() -> None:
    pairing = gateway_side.Pairing(HOUSE.address(CODE), software="test")
    offer = messages.read_offer(pairing.offer(T))._replace(x25519=bytes(32))
    with pytest.raises(PairingMalformed):
        HOUSE.answer(messages.write_offer(messages.Head(1, GATEWAY, REFERENCE), offer))


@given(raw=st.binary(max_size=400), number=st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_arbitrary_bytes_are_refused_by_name(raw: bytes, number: int) -> None:
    head = messages.Head(number, GATEWAY, REFERENCE).raw
    pairing = gateway_side.Pairing(HOUSE.address(CODE), software="test")
    HOUSE.answer(pairing.offer(T))
    for message in (raw, head + raw):
        for reader in (
            lambda m: server_side.answer_offer(m, HOUSE.link, now=T),
            lambda m: server_side.open_proof(m, HOUSE.answered),
            lambda m: pairing.prove(m, T),
        ):
            with pytest.raises(DomainError):
                reader(message)


def test_a_code_is_read_as_it_was_meant() -> None:
    assert canonical("7k3m 9qwx-2ptr5vbn") == canonical(CODE) == "7K3M9QWX2PTR5VBN"
    assert canonical("OIL0-0000-0000-0000") == "0110000000000000"
    assert canonical("7K3M-9QWX-2PTR") is None
    assert canonical("7K3M-9QWX-2PTR-5VBU") is None


def test_codes_have_eighty_bits_and_no_letter_that_is_mistaken() -> None:
    codes = {new_code() for _ in range(200)}
    assert len(codes) == 200
    assert {len(code.replace("-", "")) * 5 for code in codes} == {80}
    assert set("".join(codes)) <= set(ALPHABET) | {"-"}


@pytest.mark.parametrize("kind", ["", "cgm"])
def test_an_address_survives_its_uri(kind: str) -> None:
    address = HOUSE.address(CODE)._replace(device_kind=kind)
    assert parse_uri(f"  {address.uri()}\n") == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://house/pair",
        "medtwin-pair:2?server=https://h",
        "medtwin-pair:1?server=ftp://h&kind=gateway&id=7&ref=00&code=x&ca=00",
        HOUSE.address(CODE).uri().replace("kind=gateway", "kind=server"),
        HOUSE.address(CODE).uri().replace("id=7", "id=0"),
        HOUSE.address(CODE).uri().replace("id=7", "id=4294967296"),
        HOUSE.address(CODE).uri().replace(CODE, "short"),
        HOUSE.address(CODE).uri()[:-1],
        HOUSE.address(CODE).uri() + "&x=" + "y" * 600,
    ],
)
def test_another_text_is_no_address(text: str) -> None:
    with pytest.raises(PairingMalformed):
        parse_uri(text)
