"""Name look-up on the simulated board: through the host when there is one, and only while Wi-Fi is up.

It must never connect by itself; it only tells where to connect to.
"""

import _board

if _board.MICROPYTHON:
    from usocket import getaddrinfo as _getaddrinfo
else:
    from socket import getaddrinfo as _getaddrinfo

# What an ESP32 raises, in its own numbers: lwIP's for a failed look-up, newlib's for a host that cannot be
# reached.
EAI_FAIL = -202
EHOSTUNREACH = 118


def _is_address(host):
    return all(part.isdigit() for part in host.split("."))


def getaddrinfo(host, port, *hints):
    """As socket.getaddrinfo. OSError(-202) for a name without a network or without an answer, OSError(118)
    for an address without a network."""
    if not _board.launched:
        return _getaddrinfo(host, port, *hints)
    if isinstance(host, (bytes, bytearray)):
        host = bytes(host).decode()
    if host in ("", "0.0.0.0"):  # to listen on
        return _getaddrinfo("0.0.0.0", port, *hints)
    for hook in _board.hooks:
        hook()
    if not _board.associated:
        raise OSError(EHOSTUNREACH if _is_address(host) else EAI_FAIL)
    answer = _board.ask("route", host=host, port=port)
    if "port" not in answer:
        raise OSError(EAI_FAIL)
    return _getaddrinfo("127.0.0.1", answer["port"], *hints)
