"""Everything at once on the loopback interface: certificates, store, mock broker over TLS, gateway.

For the demonstration, for tests and for `gateway serve`. Nothing it starts outlives `stop`.
"""

import secrets
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from host_sim.broker.authority import HxtpAuthority
from host_sim.broker.server import ThreadedBroker
from host_sim.gateway.gateway import Gateway
from host_sim.gateway.provision import SIMULATED_WIFI, board_files
from host_sim.gateway.store import Registration, Store
from host_sim.pki import Pki, make_pki

SERVICE = "gateway"


class Bench:
    """A broker with a gateway behind it, in `folder`. What was registered there before is known again.

    port 0: the system chooses. `services`: more user names of clients that may use all of `hxtp/#`;
    their passwords, made at each start, are in `services` then.
    """

    def __init__(
        self,
        folder: str | Path,
        port: int = 0,
        *,
        tenant_id: str = "home",
        services: tuple[str, ...] = (),
        on_event: Callable[[int, str, str, str], None] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.services = {name: secrets.token_urlsafe(24) for name in (SERVICE, *services)}
        self.store = Store(self.folder, tenant_id)
        try:
            self.pki: Pki = make_pki(self.folder / "pki")
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.minimum_version = ssl.TLSVersion.TLSv1_2
            tls.load_cert_chain(self.pki.certificate, self.pki.key)
            authority = HxtpAuthority(self.store.tenants, self.store.check_password, self.services)
            self.broker = ThreadedBroker(port=port, tls=tls, authority=authority, on_event=on_event)
        except BaseException:
            self.store.close()
            raise
        self.gateway: Gateway = None  # type: ignore[assignment]  # from start() on

    def start(self) -> "Bench":
        """Raises OSError (the port is taken) or GatewayError."""
        try:
            self.broker.start()
            self.gateway = self.new_gateway().start()
        except BaseException:
            self.stop()
            raise
        return self

    def new_gateway(self) -> Gateway:
        return Gateway(
            self.store,
            self.broker.port,
            ca_file=self.pki.ca,
            username=SERVICE,
            password=self.services[SERVICE],
        )

    def stop(self) -> None:
        try:
            if self.gateway is not None:
                self.gateway.stop()
            self.broker.stop()
        finally:
            self.store.close()

    def __enter__(self) -> "Bench":
        return self.start()

    def __exit__(self, *unused: Any) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"mqtts://127.0.0.1:{self.broker.port}"

    def board_files(
        self, registration: Registration, board: str, wifi: tuple[str, str] = SIMULATED_WIFI, **extra: Any
    ) -> dict[str, str]:
        """`provision.board_files` with this bench's address and CA."""
        return board_files(registration, self.url, self.pki.ca.read_text(), board, wifi, extra)
