"""Brokers for the tests: ours in a thread, Mosquitto as a process, and certificates for TLS."""

import contextlib
import datetime
import ipaddress
import itertools
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from host_sim.broker.authority import User, UserAuthority
from host_sim.broker.server import ThreadedBroker
from tests.broker.wire import TIMEOUT, Wire, opened


@pytest.fixture(autouse=True)
def close_wires():
    yield
    while opened:
        opened.pop().close()


@pytest.fixture
def broker():
    """Our broker, open to all, on a free port."""
    with ThreadedBroker() as running:
        yield running


USERS = {"alice": User("wonderland", publish=("open/#",), subscribe=("open/#",))}


@pytest.fixture(params=["tcp", "tls"])
def secure(request):
    return request.param == "tls"


@pytest.fixture
def guarded(secure, certificates):
    """Our broker, over TLS if `secure`. Anonymous clients may do all, alice only what is below `open`."""
    tls = certificates.server_context() if secure else None
    with ThreadedBroker(tls=tls, authority=UserAuthority(USERS, anonymous=True)) as running:
        yield running


@dataclass
class Certificates:
    ca: Path
    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory) -> Certificates:
    """A CA of this run and a certificate by it for localhost and 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])
    today = datetime.datetime.now(datetime.UTC)

    def builder(name, public_key):
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(ca_name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - datetime.timedelta(days=1))
            .not_valid_after(today + datetime.timedelta(days=7))
        )

    ca = (
        builder(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_signs_certificates(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    files = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    files.ca.write_bytes(ca.public_bytes(pem))
    files.certificate.write_bytes(certificate.public_bytes(pem))
    files.key.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def _signs_certificates() -> x509.KeyUsage:
    """Python 3.13 takes no CA without it."""
    uses = dict.fromkeys(
        (
            "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
            "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
        ),
        False,
    )  # fmt: skip
    return x509.KeyUsage(**{**uses, "key_cert_sign": True})


@contextlib.contextmanager
def running_mosquitto(executable: str, folder: Path, lines: str = "allow_anonymous true"):
    """A Mosquitto of its own on a loopback port; yields the port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\n{lines}\n")
    process = subprocess.Popen([executable, "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + TIMEOUT
        while True:
            try:
                Wire(port).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < end, "mosquitto did not start"
                time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(TIMEOUT)


# -- one suite for both --


@pytest.fixture(scope="module", params=["ours", "mosquitto"])
def port(request, tmp_path_factory):
    if request.param == "ours":
        with ThreadedBroker() as broker:
            yield broker.port
    else:
        executable = request.getfixturevalue("program")("mosquitto")
        with running_mosquitto(executable, tmp_path_factory.mktemp("mosquitto")) as number:
            yield number


@pytest.fixture
def client(port):
    """client(name) is a connected peer; client() one that has sent nothing. Names are new in every test."""

    def make(name=None, **options):
        wire = Wire(port)
        return wire if name is None else wire.connect(name, **options)

    return make


_numbers = itertools.count(1)


@pytest.fixture
def topic():
    """A topic that no other test uses, since both brokers live for all of them."""
    return f"test/{next(_numbers)}"
