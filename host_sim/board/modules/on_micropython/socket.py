"""`socket` over the unix port's own: names are looked up by the simulated network, and not at all without it.

Sockets themselves are the real ones; `getaddrinfo` gives the address of the host's "air" instead of the
peer's, so that Wi-Fi can be lost under an open connection.
"""

from usocket import *  # noqa: F403, I001  (first, since it has a getaddrinfo of its own)
from _air import getaddrinfo  # noqa: F401
