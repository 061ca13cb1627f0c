"""`ssl` over the unix port's `tls`, with the interface that stock ESP32 firmware has frozen.

It must never verify less than stock does. The unix port's mbedTLS checks certificate dates against the host's
clock; a board's own clock is what counts on a real ESP32, so the dates are checked once more here, in the
verify callback.
"""

import _x509
import tls
from tls import (
    CERT_NONE,
    CERT_OPTIONAL,  # noqa: F401
    CERT_REQUIRED,  # noqa: F401
    MBEDTLS_VERSION,  # noqa: F401
    PROTOCOL_TLS_CLIENT,
    PROTOCOL_TLS_SERVER,
)

_FATAL = -0x3000  # MBEDTLS_ERR_X509_FATAL_ERROR


def _content(data):
    """What a certificate or key is given as: bytes, or the name of a file."""
    if isinstance(data, str):
        with open(data, "rb") as file:
            return file.read()
    return data


class SSLContext:
    def __init__(self, protocol):
        self._context = tls.SSLContext(protocol)
        self._fault = None

    @property
    def verify_mode(self):
        return self._context.verify_mode

    @verify_mode.setter
    def verify_mode(self, mode):
        self._context.verify_mode = mode

    def load_cert_chain(self, certfile, keyfile):
        self._context.load_cert_chain(_content(certfile), _content(keyfile))

    def load_verify_locations(self, cafile=None, cadata=None):
        self._context.load_verify_locations(_content(cafile) if cafile else cadata)

    def get_ciphers(self):
        return self._context.get_ciphers()

    def set_ciphers(self, ciphers):
        self._context.set_ciphers(ciphers)

    def _check(self, der, _depth):
        self._fault = self._fault or _x509.fault(der)
        return _FATAL if self._fault else 0

    def wrap_socket(self, sock, *, server_side=False, do_handshake_on_connect=True, server_hostname=None):
        """As stock: ValueError where a certificate does not verify, OSError for every other failure.

        With do_handshake_on_connect=False the first reads and writes make the handshake and raise only
        OSErrors; for the dates by the board's clock its number is -0x3000 then, where a real board has
        -0x2700.
        """
        self._fault = None
        self._context.verify_callback = None if self.verify_mode == CERT_NONE else self._check
        try:
            return self._context.wrap_socket(
                sock,
                server_side=server_side,
                do_handshake_on_connect=do_handshake_on_connect,
                server_hostname=server_hostname,
            )
        except OSError:
            if self._fault:
                raise ValueError(self._fault)
            raise


def wrap_socket(
    sock,
    server_side=False,
    key=None,
    cert=None,
    cert_reqs=CERT_NONE,
    cadata=None,
    server_hostname=None,
    do_handshake=True,
):
    context = SSLContext(PROTOCOL_TLS_SERVER if server_side else PROTOCOL_TLS_CLIENT)
    context.verify_mode = cert_reqs
    if cadata is not None:
        context.load_verify_locations(cadata=cadata)
    if cert is not None:
        context.load_cert_chain(cert, key)
    return context.wrap_socket(
        sock, server_side=server_side, do_handshake_on_connect=do_handshake, server_hostname=server_hostname
    )
