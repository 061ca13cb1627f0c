"""A running cloud: database, embedded broker, the devices' end and HTTPS, started and stopped as one.

Must never listen before everything behind it works, nor leave anything running when it stops.
"""

import contextlib
import errno
import logging
import os
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import uvicorn

from host_sim.broker.authority import HxtpAuthority
from host_sim.broker.server import ThreadedBroker
from host_sim.broker.settings import Settings as BrokerSettings
from host_sim.cloud import logs, open_files
from host_sim.cloud.app import create_app
from host_sim.cloud.broker.doorman import Doorman
from host_sim.cloud.broker.dynsec import DynSec
from host_sim.cloud.broker.keeper import Keeper
from host_sim.cloud.broker.porter import Porter
from host_sim.cloud.broker.usher import Usher
from host_sim.cloud.exchange.exchange import LARGEST, Exchange
from host_sim.cloud.exchange.local import LocalUplink
from host_sim.cloud.exchange.uplink import BrokerAddress, Uplink
from host_sim.cloud.front.door import Door
from host_sim.cloud.front.protocol import Bounds
from host_sim.cloud.gate.gate import Gate
from host_sim.cloud.gate.limits import Counter, DatabaseCounter, Limits, ProcessCounter, RedisCounter
from host_sim.cloud.gate.quota import Quota
from host_sim.cloud.gate.recheck import refusal
from host_sim.cloud.live.fanout import LocalFanout, RedisFanout
from host_sim.cloud.live.hub import Live
from host_sim.cloud.opening import open_database, open_vault
from host_sim.cloud.security.tokens import Tokens
from host_sim.cloud.services import Services
from host_sim.cloud.settings import Settings
from host_sim.cloud.shared_redis import greet
from host_sim.cloud.storage.company import watch
from host_sim.cloud.storage.database import Database
from host_sim.cloud.sweeper import Sweeper
from host_sim.files import StoreError, lock_folder, replace_file, turn
from host_sim.pki import NAMES, Pki, make_pki
from host_sim.trouble import Trouble

log = logging.getLogger(__name__)

ADDRESS = "address"  # of the API, in the folder of the data
SERVICE = "cloud"  # the cloud's own user at the embedded broker
START_S = 20
MAX_PACKET = LARGEST + 1024  # bytes at the embedded broker
MAX_MESSAGE = 16640  # bytes on the WebSocket: a little more than a framed message may have


class StartError(Trouble):
    """The cloud cannot start; says why and what to do."""


def _counter(settings: Settings, database: Database) -> Counter:
    if settings.redis:
        return RedisCounter(settings.redis, settings.redis_ca)
    return ProcessCounter() if database.is_sqlite else DatabaseCounter(database)


def _tls(certificate: str | Path, key: str | Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


def _limits(packets_s: int) -> BrokerSettings:
    """The embedded broker's, where a device may send so many packets a second; 0: any number.

    A packet is no larger than the largest message with its topic.
    """
    return BrokerSettings(
        max_packet_size=MAX_PACKET,
        max_subscribe_size=MAX_PACKET,
        max_packet_rate=packets_s,
        max_packet_burst=10 * packets_s or 1,
    )


class Cloud:
    """Everything that `settings` name, from `start` to `stop`.

    `guests`: further users of the embedded broker, who may read and write all of `hxtp/#`; the attribute has
    their passwords. For benches that look in from outside, and so no setting. `on_broker_event`: is called on
    the embedded broker's thread with what happens there, see `host_sim.broker.core.Broker`.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        guests: Iterable[str] = (),
        on_broker_event: Callable[[int, str, str, str], None] | None = None,
    ) -> None:
        """Raises ValueError where the latter two are given, and `settings` name another broker."""
        self.settings = settings
        self.guests = {name: secrets.token_urlsafe(24) for name in guests}
        self.services: Services = None  # type: ignore[assignment]  # from start() on
        self.pki: Pki | None = None
        self.broker: ThreadedBroker | None = None
        self._on_broker_event = on_broker_event
        if settings.broker and (self.guests or on_broker_event is not None):
            raise ValueError("guests and on_broker_event are for the embedded broker")
        self._stack = contextlib.ExitStack()

    def start(self) -> "Cloud":
        """Raises SettingsError, DatabaseError, VaultError, UplinkError, OSError or StartError."""
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def stop(self) -> None:
        self._stack.close()

    def __enter__(self) -> "Cloud":
        return self.start()

    def __exit__(self, *unused: object) -> None:
        self.stop()

    @property
    def broker_url(self) -> str:
        """What devices are told."""
        return self.services.mqtt_endpoint()

    def _start(self) -> None:
        settings = self.settings
        settings.check_certificates()
        settings.make_data()
        self._lock()
        database = open_database(settings)
        self._stack.callback(database.close)
        vault = open_vault(settings, database)
        doorman = Doorman(database, vault)
        if not settings.broker or not settings.certificate:
            try:
                with turn(settings.data):  # of workers that start together one makes it
                    self.pki = make_pki(settings.data / "pki", settings.names(NAMES))
            except StoreError as error:
                raise StartError(str(error)) from None
        address = self._broker(doorman)
        exchange: Exchange
        uplink: Uplink | LocalUplink
        if self.broker is not None:
            uplink = LocalUplink(
                self.broker, address, lambda name, payloads: exchange.receive(name, *payloads)
            )
        else:
            uplink = Uplink(
                address, lambda name, payload: exchange.receive(name, payload), settings.shared_subscriptions
            )
        watch(database, settings.shared_subscriptions)
        exchange = Exchange(
            database,
            vault,
            refusal,
            uplink.publish,
            uplink.connected,
            heartbeat_s=settings.heartbeat_s,
            states_kept=settings.states_kept,
        ).start()
        self._stack.callback(exchange.stop)
        uplink.start()
        self._stack.callback(uplink.stop)
        tokens = Tokens(database, vault, settings.token_life_s)
        limits = Limits(_counter(settings, database))
        gate = Gate(database, exchange, Quota(limits, settings))
        self.services = Services(
            settings,
            database,
            vault,
            tokens,
            exchange,
            uplink,
            limits,
            gate,
            doorman,
            self._expel,
            self._cut_off,
        )
        if settings.dynamic_security:
            dynsec = DynSec(address).start()
            self._stack.callback(dynsec.stop)
            self.services.logins = Keeper(database, vault, dynsec).start()
            self._stack.callback(self.services.logins.stop)
        self._stack.callback(Sweeper(database, settings).start().stop)
        if self.broker is not None:
            self._stack.callback(Usher(database, self._present, self._expel).start().stop)
        self.services.live = self._live(exchange)
        self._serve()

    def _lock(self) -> None:
        """Keep the folder. Devices of two clouds with a broker each would be at one of them, and commands for
        them at the other; workers at a broker of their own share a folder."""
        try:
            lock = lock_folder(self.settings.data, shared=bool(self.settings.broker), instead="--data")
        except StoreError as error:
            raise StartError(str(error)) from None
        except OSError as error:
            raise self.settings.no_folder(error) from None
        self._stack.callback(os.close, lock)

    def _live(self, exchange: Exchange) -> Live:
        redis, ca = self.settings.redis, self.settings.redis_ca
        if redis:
            greet(redis, ca)
        fanout = RedisFanout(redis, ca) if redis else LocalFanout()
        fanout.start()
        self._stack.callback(fanout.stop)
        self._stack.callback(exchange.listen_by_turn(fanout.publish_all, fanout.wants))
        return Live(fanout)

    def _cut_off(self, device_id: str) -> bool:
        """As `_expel`, but what waits for the device in the broker goes on waiting."""
        if self.services.logins is not None:
            self.services.logins.wake()
        return self.broker is not None and self.broker.disconnect(f"hxtp-{device_id}")

    def _expel(self, device_id: str) -> bool:
        """A broker elsewhere lets a device's session be until it asks again; then the device is refused.
        Mosquitto ends it when it is told."""
        if self.services.logins is not None:
            self.services.logins.wake()
        return self.broker is not None and self.broker.forget(f"hxtp-{device_id}")

    def _present(self) -> list[str]:
        """The devices that have a session with the embedded broker: each has its id for a user name."""
        assert self.broker is not None
        core = self.broker.server.broker
        names = self.broker.call(lambda: [session.username for session in core.sessions.values()])
        return [name for name in names if name is not None and name not in core.unmetered]

    def _broker(self, doorman: Doorman) -> BrokerAddress:
        settings = self.settings
        if settings.broker:
            # Its files stay as few as they are: paho waits with select(), which knows none above 1023.
            ca = Path(settings.broker_ca) if settings.broker_ca else None
            return BrokerAddress.of(settings.broker, settings.broker_password or None, ca)
        assert self.pki is not None
        open_files.raise_limit()
        open_files.tell_once()
        password = secrets.token_urlsafe(24)
        users = {**self.guests, SERVICE: password}
        porter = Porter(doorman)
        self._stack.callback(porter.stop)
        self.broker = ThreadedBroker(
            settings.host,
            settings.broker_port,
            tls=_tls(self.pki.certificate, self.pki.key),
            authority=HxtpAuthority(porter, porter.check_password, users),
            settings=_limits(settings.device_packets_s),
            on_event=self._on_broker_event,
        )
        self.broker.server.broker.unmetered = frozenset(users)
        try:
            self.broker.start()
        except OSError as error:
            raise self._no_place("the broker's port", settings.broker_port, "--broker-port", error) from None
        self._stack.callback(self.broker.stop)
        return BrokerAddress(
            settings.own_host(), self.broker.server.port, True, SERVICE, password, self.pki.ca
        )

    def _no_place(self, what: str, port: int, option: str, error: OSError) -> StartError:
        host = self.settings.host
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            return StartError(
                f"{host} is no address of this machine; give --host one of its own, or 0.0.0.0 for all"
            )
        return StartError(
            f"{what} {port} of {host} cannot be used ({error.strerror}): "
            f"choose another with {option}, 0 for any free one"
        )

    def _serve(self) -> None:
        settings = self.settings
        listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
        self._stack.callback(listener.close)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            raise self._no_place("port", settings.port, "--port", error) from None
        settings.port = listener.getsockname()[1]
        logs.guard()
        tls = None
        if not settings.plain_http:
            own = (settings.certificate, settings.certificate_key) if settings.certificate else None
            tls = _tls(*(own or (self._own().certificate, self._own().key)))
        seats = self.services.seats
        seats.most, seats.each = settings.connections, settings.connections_per_address
        bounds = Bounds(settings.head_bytes, settings.head_s)
        config = uvicorn.Config(
            create_app(self.services),
            log_level=settings.log_level,
            access_log=False,
            log_config=None,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=5,
            ws_max_size=MAX_MESSAGE,
            server_header=False,
        )
        server = Door(config, tls, bounds, seats)
        thread = threading.Thread(target=server.run, args=([listener],), name="http", daemon=True)
        thread.start()
        end = time.monotonic() + START_S
        while not server.started:
            if not thread.is_alive() or time.monotonic() > end:
                raise StartError("the HTTP server did not start; its log says why")
            time.sleep(0.01)
        # Programs that are given the folder, or are started beside it, need no address.
        replace_file(settings.data / ADDRESS, settings.base_url() + "\n")

        def stop() -> None:
            server.should_exit = True
            thread.join(10)

        self._stack.callback(stop)

    def _own(self) -> Pki:
        assert self.pki is not None
        return self.pki
