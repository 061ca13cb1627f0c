"""The signature profiles by name: the one of devices, and the two JSON ones of app clients.

Each is a Verifier, which judges in the order of the spec, and a function that builds a
signed message from the same arguments as `hxtp.envelope.build`. The order here is the
order in which a verifier that was told no profile tries them.
"""

from collections.abc import Callable
from typing import NamedTuple

from host_sim.profiles import json_full, json_header
from hxtp import envelope


class Profile(NamedTuple):
    verifier: type[envelope.Verifier]
    build: Callable[..., bytes]


PROFILES = {
    "pipe10": Profile(envelope.Verifier, envelope.build),
    "json-full": Profile(json_full.JsonFullVerifier, json_full.build),
    "json-header": Profile(json_header.JsonHeaderVerifier, json_header.build),
}
