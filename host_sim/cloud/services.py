"""The parts of a running cloud, put together once and handed to whoever needs them."""

import time
from dataclasses import dataclass, field

from host_sim.cloud.exchange.exchange import Exchange
from host_sim.cloud.exchange.uplink import Uplink
from host_sim.cloud.gate.gate import Gate
from host_sim.cloud.gate.limits import Limits
from host_sim.cloud.security.tokens import Tokens
from host_sim.cloud.security.vault import Vault
from host_sim.cloud.settings import Settings
from host_sim.cloud.storage.database import Database


@dataclass(slots=True)
class Services:
    """What routes may use. `started`: seconds since 1970."""

    settings: Settings
    database: Database
    vault: Vault = field(repr=False)
    tokens: Tokens
    exchange: Exchange
    uplink: Uplink
    limits: Limits
    gate: Gate
    started: float = field(default_factory=time.time)

    def now(self) -> int:
        """ms since 1970."""
        return time.time_ns() // 1000000
