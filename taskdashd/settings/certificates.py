"""`taskdashd cert init`: a small authority and a server certificate, for an office without one.

Needs the library `cryptography`: `pip install "taskdash[cert]"`, or Debian's python3-cryptography.
"""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from taskdashd.settings import files

AUTHORITY_DAYS: Final = 3650
SERVER_DAYS: Final = 825
"""Some systems refuse server certificates for a longer time (CA/Browser Forum, ballot 193)."""


class CertificateError(Exception):
    """Certificates cannot be made; the message says why."""


class Made(NamedTuple):
    """The paths of the files that `init` made."""

    authority: Path
    """The authority's certificate, which every client needs."""
    certificate: Path
    key: Path


def init(directory: Path, names: Sequence[str]) -> Made:
    """Make an authority, if there is none yet, and a certificate for names and addresses.

    Only the owner can read the keys. Raises `CertificateError`.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    except ImportError:
        raise CertificateError(
            'the library cryptography is missing: pip install "taskdash[cert]", or apt-get install'
            " python3-cryptography"
        ) from None
    made = Made(directory / "ca.pem", directory / "server.pem", directory / "server.key")
    authority_key = directory / "ca.key"
    begins = datetime.now(UTC) - timedelta(hours=1)

    def sign(subject: str, key: Any, issuer: Any, signer: Any, days: int) -> Any:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer.subject if issuer is not None else name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + timedelta(days=days))
            .add_extension(
                x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
                critical=False,
            )
        )

    def text(key: Any) -> bytes:
        plain = serialization.NoEncryption()
        form = serialization.PrivateFormat.PKCS8
        written: bytes = key.private_bytes(serialization.Encoding.PEM, form, plain)
        return written

    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if made.authority.exists():
            authority = x509.load_pem_x509_certificate(made.authority.read_bytes())
            signer: Any = serialization.load_pem_private_key(authority_key.read_bytes(), None)
        else:
            signer = ec.generate_private_key(ec.SECP256R1())
            own = sign("TaskDash", signer, None, signer, AUTHORITY_DAYS)
            usage = _usage(x509, key_cert_sign=True, crl_sign=True)
            authority = own.add_extension(usage, critical=True).sign(signer, hashes.SHA256())
            files.write(authority_key, text(signer), 0o600)
            files.write(made.authority, authority.public_bytes(serialization.Encoding.PEM), 0o644)
        key = ec.generate_private_key(ec.SECP256R1())
        server = sign(names[0], key, authority, signer, SERVER_DAYS)
        server = server.add_extension(
            x509.SubjectAlternativeName([_general(x509, name) for name in names]), critical=False
        ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        certificate = server.sign(signer, hashes.SHA256())
        files.write(made.key, text(key), 0o600)
        files.write(made.certificate, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    except (OSError, ValueError) as error:
        raise CertificateError(f"cannot make certificates in {directory}: {error}") from error
    return made


def _usage(x509: Any, **wanted: bool) -> Any:
    names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment"]
    names += ["key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**(dict.fromkeys(names, False) | wanted))


def _general(x509: Any, name: str) -> Any:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
