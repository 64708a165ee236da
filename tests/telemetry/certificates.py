"""Certificates for tests: an authority, and certificates that it signs or that sign themselves."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Signer = tuple[x509.Name, ec.EllipticCurvePrivateKey]


def write_certificate(folder: Path, name: str = "cert.pem", key_name: str = "key.pem") -> Path:
    """Write a self-signed certificate for localhost and its key, and return the path of the certificate."""
    return write_signed(folder, name, key_name)[0]


def write_signed(folder: Path, name: str, key_name: str, signer: Signer | None = None) -> tuple[Path, Signer]:
    """Write a certificate for localhost and its key. `signer` None: it is self-signed. Returns what can sign others."""
    key, today = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost" if signer is None else name)])
    issuer, signing = signer or (subject, key)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        .sign(signing, hashes.SHA256())
    )
    (folder / name).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / key_name).write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / name, (subject, key)
