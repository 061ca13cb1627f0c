"""A development CA and a server certificate for this machine's loopback names.

EC P-256, with the extensions that strict verification (Python 3.13 and later) asks for. For test benches: the
CA's key lies beside its certificate, in a file of mode 0600; certificates may be read by all (0644), for they
are what everybody has to know. Nothing here is for a server that others reach.
"""

import contextlib
import ipaddress
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from host_sim.files import PUBLIC, replace_file

NAMES = ("localhost", "127.0.0.1", "::1")
# A board that never met its cloud believes it is the day its firmware was built, so certificates begin early.
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
CA_LIFE = timedelta(days=3650)
SERVER_LIFE = timedelta(days=397)
RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Pki:
    """Files in PEM: the CA's certificate, the server's certificate and its key."""

    ca: Path
    certificate: Path
    key: Path


def make_pki(folder: str | Path, names: tuple[str, ...] = NAMES) -> Pki:
    """Make what is missing in `folder`, about to expire, or not for all of `names`, and keep the rest."""
    folder = Path(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    pki = Pki(folder / "ca.pem", folder / "server.pem", folder / "server-key.pem")
    ca_key_file = folder / "ca-key.pem"
    fresh = not (ca_key_file.exists() and _lasts(pki.ca))
    if fresh:
        ca_key = ec.generate_private_key(ec.SECP256R1())
        ca = _ca(ca_key)
        replace_file(ca_key_file, _pem(ca_key))
        replace_file(pki.ca, _pem(ca), public=True)
    if fresh or not (pki.key.exists() and _lasts(pki.certificate) and _is_for(pki.certificate, names)):
        ca_key = serialization.load_pem_private_key(ca_key_file.read_bytes(), None)
        ca = x509.load_pem_x509_certificate(pki.ca.read_bytes())
        key = ec.generate_private_key(ec.SECP256R1())
        replace_file(pki.key, _pem(key))
        replace_file(pki.certificate, _pem(_server(key, names, ca, ca_key)), public=True)
    for file in (pki.ca, pki.certificate):  # of a version that kept them to itself
        with contextlib.suppress(PermissionError):  # somebody else's: they may be read, or were not just now
            if file.stat().st_mode & 0o777 != PUBLIC:
                file.chmod(PUBLIC)
    return pki


def _is_for(file: Path, names: tuple[str, ...]) -> bool:
    found = x509.load_pem_x509_certificate(file.read_bytes()).extensions
    there = found.get_extension_for_class(x509.SubjectAlternativeName).value
    return all(_general(name) in there for name in names)


def _ca(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    # Each CA has a name of its own: a verifier that knows two of one name may try the wrong key.
    name = _name(f"hxtp development CA {os.urandom(4).hex()}")
    public = key.public_key()
    return (
        _begin(name, name, public, CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def _server(
    key: ec.EllipticCurvePrivateKey,
    names: tuple[str, ...],
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    identifier = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        _begin(_name(names[0]), ca.subject, key.public_key(), SERVER_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )


def _begin(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGIN)
        .not_valid_after(datetime.now(UTC) + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _lasts(file: Path) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError):
        return False
    return certificate.not_valid_after_utc - datetime.now(UTC) > RENEW_BEFORE


def _pem(thing: x509.Certificate | ec.EllipticCurvePrivateKey) -> str:
    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(serialization.Encoding.PEM).decode()
    return thing.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
