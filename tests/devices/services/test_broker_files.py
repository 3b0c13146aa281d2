"""The files of a broker: issued once, renewed in time, and never over those of a house that issues its own."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from devices.services import broker_files
from devices.services.authority import server_identity
from devices.services.broker_files import write_certificates

pytestmark = pytest.mark.django_db
ISSUED = ["broker.pem", "bridge-1.pem"]


def _write(folder: Path) -> list[str]:
    return write_certificates(folder, host="broker.example", bridges=["bridge-1"])


def test_certificates_are_issued_once_and_named_as_tls_and_accounts_want(tmp_path: Path) -> None:
    assert _write(tmp_path) == ISSUED
    assert _write(tmp_path) == []
    broker, bridge = (x509.load_pem_x509_certificate((tmp_path / name).read_bytes()) for name in ISSUED)
    hosts = broker.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert hosts.get_values_for_type(x509.DNSName) == ["broker.example"]
    assert bridge.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value == "bridge-1"
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("broker.key", "bridge-1.key")} == {0o600}


def test_what_is_in_its_last_third_is_issued_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.utils import timezone

    _write(tmp_path)
    before = (tmp_path / "broker.key").read_bytes()
    later = timezone.now() + timedelta(days=300)
    monkeypatch.setattr(broker_files.timezone, "now", lambda: later)
    assert _write(tmp_path) == ISSUED
    assert (tmp_path / "broker.key").read_bytes() != before


def test_folder_of_a_house_with_its_own_authority_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("another authority")
    assert _write(tmp_path) == []
    assert [place.name for place in tmp_path.iterdir()] == ["ca.pem"]


def test_certificates_of_a_broker_are_never_taken_for_the_link_s_own(tmp_path: Path) -> None:
    own = server_identity().certificate
    _write(tmp_path)
    assert server_identity().certificate == own
