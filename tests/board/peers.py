"""Peers for a virtual board to talk to: plain TCP, and TLS under a CA made on the spot."""

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TIMEOUT = 20


class Peer:
    """A TCP server on a free loopback port; accept() gives the next connection."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(TIMEOUT)
        self.port = self._listener.getsockname()[1]
        self._open = []

    def accept(self):
        connection, _ = self._listener.accept()
        connection.settimeout(TIMEOUT)
        self._open.append(connection)
        return connection

    def close(self):
        for one in [*self._open, self._listener]:
            one.close()


def exactly(connection, n):
    data = b""
    while len(data) < n:
        part = connection.recv(n - len(data))
        assert part, f"the board closed after {data!r}"
        data += part
    return data


def silent(connection, seconds=0.3):
    """Whether nothing, not even an end, arrives for a while."""
    connection.settimeout(seconds)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    except OSError:
        return False
    finally:
        connection.settimeout(TIMEOUT)
    return False


class Authority:
    """A CA, valid from 30 days ago unless told otherwise."""

    def __init__(self, name="test CA", days=(-30, 30)):
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            self._builder(self._name, self._key.public_key(), days)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)
        self.der = certificate.public_bytes(serialization.Encoding.DER)

    def _builder(self, name, key, days):
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
        )

    def context(self, folder, names=("localhost",), days=(-30, 30)):
        """A server's context with a certificate for `names` and 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        alternatives = [x509.DNSName(one) for one in names]
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        certificate = (
            self._builder(name, key.public_key(), days)
            .add_extension(x509.SubjectAlternativeName([*alternatives, address]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        file = folder / "server.pem"
        file.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


class TLSGreeter:
    """Says `greeting` to everyone who completes a TLS handshake and has said something that ends with
    `after`."""

    def __init__(self, context, greeting=b"hello\n", after=b""):
        self._after = after
        self._peer = Peer()
        self.port = self._peer.port
        self._context = context
        self._greeting = greeting
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                connection = self._peer.accept()
            except OSError:
                return
            # A board that refuses us ends the handshake; what it says about it is the test's business.
            with contextlib.suppress(OSError), self._context.wrap_socket(connection, server_side=True) as tls:
                said = b""
                while not said.endswith(self._after):
                    said += tls.recv(4096)
                tls.sendall(self._greeting)
                if not said:
                    tls.recv(1)

    def close(self):
        self._peer._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(TIMEOUT)
        self._peer.close()
