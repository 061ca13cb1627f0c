"""Everything at once on the loopback interface: certificates, store, mock broker over TLS, gateway.

For tests of whole boards. Nothing it starts outlives `stop`.
"""

import secrets
import ssl
from pathlib import Path
from typing import Any

from host_sim.broker.authority import HxtpAuthority
from host_sim.broker.server import ThreadedBroker
from host_sim.gateway.gateway import Gateway
from host_sim.gateway.store import Registration, Store
from host_sim.pki import Pki, make_pki
from host_sim.provision import board_files

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
            self.broker = ThreadedBroker(port=port, tls=tls, authority=authority)
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

    def board_files(self, registration: Registration, board: str) -> dict[str, str]:
        """What the flash of a board gets to find this bench; `board`: its data, a path on the device."""
        expiry = registration.password_expiry
        return board_files(registration, self.url, expiry, self.pki.ca.read_text(), board)
