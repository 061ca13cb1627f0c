"""The parts of a running cloud, put together once and handed to whoever needs them."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from host_sim.cloud.at_once import AtOnce
from host_sim.cloud.broker.doorman import Doorman
from host_sim.cloud.broker.keeper import Keeper
from host_sim.cloud.exchange.exchange import Exchange
from host_sim.cloud.exchange.uplink import Broker
from host_sim.cloud.front.seats import Seats
from host_sim.cloud.gate.failures import Failures
from host_sim.cloud.gate.gate import Gate
from host_sim.cloud.gate.limits import Limits
from host_sim.cloud.live.hub import Live
from host_sim.cloud.security.tokens import Tokens
from host_sim.cloud.security.vault import Vault
from host_sim.cloud.settings import BROKER_PORTS, Settings, bracketed
from host_sim.cloud.storage.database import Database

SUMS = 2  # aggregates of telemetry at once
PAGES = 4  # and long pages of it


def _elsewhere(device_id: str) -> bool:
    return False


@dataclass(slots=True)
class Services:
    """What routes may use. `started`: seconds since 1970.

    `expel(device_id)`: end the device's session with the broker; whether there was one that could be ended.
    `cut_off(device_id)`: end its connection alone, so that it has to log in again.
    """

    settings: Settings
    database: Database
    vault: Vault = field(repr=False)
    tokens: Tokens
    exchange: Exchange
    uplink: Broker
    limits: Limits
    gate: Gate
    doorman: Doorman
    expel: Callable[[str], bool] = _elsewhere
    cut_off: Callable[[str], bool] = _elsewhere
    logins: Keeper | None = None  # where the broker has to be told who may come in
    live: Live = field(default_factory=Live)
    seats: Seats = field(default_factory=Seats)
    sums: AtOnce = field(default_factory=lambda: AtOnce(SUMS))
    pages: AtOnce = field(default_factory=lambda: AtOnce(PAGES))
    started: float = field(default_factory=time.time)
    loop: asyncio.AbstractEventLoop | None = None  # that serves requests, while it does
    failures: Failures = field(init=False)

    def __post_init__(self) -> None:
        self.failures = Failures(self.limits, self.settings)

    def mqtt_endpoint(self) -> str:
        """The broker's address for devices: mqtts://HOST:PORT."""
        if self.settings.public_broker:
            parts = urlsplit(self.settings.public_broker)
            host, port = parts.hostname or "", parts.port or BROKER_PORTS[parts.scheme]
            return f"{parts.scheme}://{bracketed(host)}:{port}"
        broker = self.uplink.address
        return f"mqtt{'s' if broker.tls else ''}://{bracketed(broker.host)}:{broker.port}"

    def broker_ca(self) -> Path | None:
        """The CA of the certificate that devices find at the broker; None: one that everybody knows."""
        if self.settings.public_broker_ca:
            return Path(self.settings.public_broker_ca)
        return self.uplink.address.ca

    def now(self) -> int:
        """ms since 1970."""
        return time.time_ns() // 1000000
