"""Opens a TCP or TLS connection in small steps.

It must never wait for the peer, nor take a server that it cannot verify. The one thing that waits, for
seconds where nobody answers, is the look-up of a name: stock firmware only has it blocking. So an address is
kept for some attempts, lest parts stand still at each of them while the Internet is away; an address in the
settings is never looked up.
"""

import select
import socket

_IN_PROGRESS = (115, 119)  # EINPROGRESS of Linux and of the ESP32
LOOK_UP_EVERY = 8  # attempts

_known = [None, None, 0]  # (host, port), its address, for how many more attempts it is good


def context(ca):
    """A TLS context for servers whose name one of the CA certificates in `ca` (PEM, bytes) vouches for."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=ca)
    return context


def connect(host, port, tls):
    """A generator of None while connecting, then of the socket, non-blocking: `read`, `readinto`, `write`.

    `tls`: a context, or None. The handshake is made by the first reads and writes. Raises OSError.
    """
    target = (host, port)
    if _known[0] != target or not _known[2]:
        address = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)[0][-1]
        _known[:] = target, address, LOOK_UP_EVERY
    address = _known[1]
    _known[2] -= 1
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    done = False
    try:
        sock.setblocking(False)
        try:
            sock.connect(address)
        except OSError as error:
            if error.errno not in _IN_PROGRESS:
                raise
        poll = select.poll()
        poll.register(sock, select.POLLOUT)
        events = []
        while not events:
            yield None
            events = poll.poll(0)
        if events[0][1] & (select.POLLERR | select.POLLHUP):
            raise OSError("no connection to %s:%d" % (host, port))
        if tls:
            sock = tls.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
            sock.setblocking(False)
        done = True
    finally:  # also when nobody wants it any more
        if not done:
            sock.close()
    yield sock
