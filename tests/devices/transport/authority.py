"""A certificate authority for tests, with a revocation list."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BEGAN = datetime.now(tz=UTC) - timedelta(days=1)
DAYS = timedelta(days=30)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """Gives out certificates, into PEM files that hold the key too, and takes them back."""

    def __init__(self, folder: Path, name: str = "House") -> None:
        self.folder, self.name = folder, _name(name)
        folder.mkdir(exist_ok=True)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.revoked: list[int] = []
        self.serials: dict[str, int] = {}
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        certificate = (
            self._builder(self.name, self.key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.file = folder / "ca.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.list_revoked()

    def _builder(self, subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(BEGAN).not_valid_after(BEGAN + DAYS)

    def issue(self, name: str, *, server: bool = False) -> Path:
        """Return a file with a certificate of this common name and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        local = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))])
        builder = self._builder(_name(name), key.public_key())
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        certificate = (builder.add_extension(local, critical=False) if server else builder).sign(
            self.key, hashes.SHA256()
        )
        self.serials[name] = certificate.serial_number
        encoded = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = self.folder / f"{name}.pem"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + encoded)
        return path

    def revoke(self, name: str) -> None:
        self.revoked.append(self.serials[name])
        self.list_revoked()

    def list_revoked(self) -> None:
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(BEGAN)
        builder = builder.next_update(BEGAN + DAYS)
        for serial in self.revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(BEGAN).build()
            builder = builder.add_revoked_certificate(entry)
        crl = builder.sign(self.key, hashes.SHA256())
        (self.folder / "crl.pem").write_bytes(crl.public_bytes(serialization.Encoding.PEM))
