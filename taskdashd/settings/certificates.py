"""`taskdashd cert init`: a small authority and a server certificate, for an office without one.

A client that trusts the authority believes it only names of the office: who steals its key cannot
be a bank to them.

Needs the library `cryptography`: `pip install "taskdash[cert]"`. The Debian package brings it.
"""

import ipaddress
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from taskdashd.settings import files

AUTHORITY_DAYS: Final = 3650
PRIVATE: Final = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8"),
    *("fc00::/7", "fe80::/10", "::1/128"),
)
"""The networks in which an authority may name any address: nobody has them on the internet."""
LOCAL_NAMES: Final = ("local", "localhost")
"""The domains in which it may name any machine."""
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
    authority_key: Path
    may: str
    """What the authority may sign for, in words for people."""


def init(directory: Path, names: Sequence[str]) -> Made:
    """Make an authority, if there is none yet, and a certificate for names and addresses.

    Only the owner can read the keys. Raises `CertificateError`.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID
    except ImportError:
        raise CertificateError(
            'the library cryptography is missing: pip install "taskdash[cert]"'
        ) from None
    authority_file, authority_key = directory / "ca.pem", directory / "ca.key"
    certificate_file, key_file = directory / "server.pem", directory / "server.key"

    try:
        files.make_directory(directory)
        if os.path.lexists(authority_file):
            authority = x509.load_pem_x509_certificate(files.read(authority_file))
            signer: Any = serialization.load_pem_private_key(_key(authority_key), None)
        else:
            signer = ec.generate_private_key(ec.SECP256R1())
            own = _begin("TaskDash", signer, None, signer, AUTHORITY_DAYS)
            usage = _usage(x509, key_cert_sign=True, crl_sign=True)
            authority = (
                own.add_extension(usage, critical=True)
                .add_extension(_constraints(x509, names), critical=True)
                .sign(signer, hashes.SHA256())
            )
            files.write(authority_key, _text(signer), 0o600)
            files.write(authority_file, authority.public_bytes(serialization.Encoding.PEM), 0o644)
        may = _check(x509, authority, names)
        key = ec.generate_private_key(ec.SECP256R1())
        server = _begin(names[0], key, authority, signer, SERVER_DAYS)
        server = server.add_extension(
            x509.SubjectAlternativeName([_general(x509, name) for name in names]), critical=False
        ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        certificate = server.sign(signer, hashes.SHA256())
        files.write(key_file, _text(key), 0o600)
        files.write(certificate_file, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    except OSError as error:
        raise CertificateError(
            f"cannot make certificates in {directory}: {files.plain(error)}"
        ) from error
    except ValueError as error:
        raise CertificateError(f"cannot make certificates in {directory}: {error}") from error
    return Made(authority_file, certificate_file, key_file, authority_key, may)


def _begin(subject: str, key: Any, issuer: Any, signer: Any, days: int) -> Any:
    """Begin a certificate; without an issuer it is an authority's own."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    begins = datetime.now(UTC) - timedelta(hours=1)
    is_authority = issuer is None
    constraints = x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None)
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    signers = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if is_authority else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .add_extension(constraints, critical=True)
        .add_extension(own, critical=False)
        .add_extension(signers, critical=False)
    )


def _text(key: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    written: bytes = key.private_bytes(serialization.Encoding.PEM, form, plain)
    return written


def _key(path: Path) -> bytes:
    try:
        return files.read(path)
    except FileNotFoundError:
        raise CertificateError(
            f"{path} is not there: put the authority's key back for as long as this takes, or"
            " remove ca.pem to make another authority, which every client must have anew"
        ) from None


def _constraints(x509: Any, names: Sequence[str]) -> Any:
    """Give what an authority may sign for: these names, local ones and private addresses."""
    permitted = [
        *(x509.DNSName(name) for name in LOCAL_NAMES),
        *(x509.IPAddress(ipaddress.ip_network(network)) for network in PRIVATE),
    ]
    for name in names:
        general = _general(x509, name)
        if isinstance(general, x509.IPAddress):
            general = x509.IPAddress(ipaddress.ip_network(general.value))
        else:
            # A constraint covers what is below it: of `*.office.lan` it is `office.lan`.
            general = x509.DNSName(general.value.removeprefix("*."))
        if not _permits(x509, permitted, name):
            permitted.append(general)
    return x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None)


def _check(x509: Any, authority: Any, names: Sequence[str]) -> str:
    """Say what an authority may sign for. Raises `CertificateError` for a name beyond that."""
    try:
        permitted = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return "any name in the world, as an earlier version made it: remove it and make another"
    for name in names:
        if not _permits(x509, permitted.permitted_subtrees, name):
            raise CertificateError(
                f"the authority may not sign for {name}, and no client would believe it: remove"
                " ca.pem and ca.key to make another one for all names, which every client must have"
            )
    own = [
        str(one.value)
        for one in permitted.permitted_subtrees
        if str(one.value) not in (*LOCAL_NAMES, *PRIVATE)
    ]
    return ", ".join([*own, ".local", "localhost", "private addresses"])


def _permits(x509: Any, permitted: Sequence[Any], name: str) -> bool:
    """Tell whether one of the constraints covers a name (RFC 5280, 4.2.1.10)."""
    general = _general(x509, name)
    if isinstance(general, x509.IPAddress):
        networks = [one.value for one in permitted if isinstance(one, x509.IPAddress)]
        return any(general.value in network for network in networks)
    labels = general.value.lower().removeprefix("*.")
    domains = [one.value.lower() for one in permitted if isinstance(one, x509.DNSName)]
    return any(labels == domain or labels.endswith(f".{domain}") for domain in domains)


def _usage(x509: Any, **wanted: bool) -> Any:
    names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment"]
    names += ["key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**(dict.fromkeys(names, False) | wanted))


def _general(x509: Any, name: str) -> Any:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
