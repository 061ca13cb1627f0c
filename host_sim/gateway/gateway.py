"""The gateway over MQTT: a client of the broker, and one thread that owns the hub.

It must never let a broken peer or a failing callback end that thread, nor log a payload or a password.
Everything public may be called from any thread but from inside a listener.
"""

import logging
import os
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt

from host_sim.gateway.hub import INBOUND, Device, Hub, Notice, Ticket
from host_sim.gateway.store import Registration, Store
from hxtp.cloud import LIFE

log = logging.getLogger(__name__)

TURN = 0.25  # seconds; how soon a retry or an expiry is noticed when nothing arrives
WAITING = 10000  # messages that may wait for the worker; more are dropped and counted
CALL_TIME = 30.0  # seconds that a public call waits for the worker


class GatewayError(Exception):
    """The gateway cannot do its work; the text says why."""


class Gateway:
    """Devices of one tenant behind one broker.

    `store`: a Store, or the folder for one (which is then closed by `stop`). `ca_file`: speak TLS and trust
    this; None: plain MQTT, for the loopback interface. `clock()`: ms since 1970.
    """

    def __init__(
        self,
        store: Store | str | Path,
        port: int,
        host: str = "127.0.0.1",
        *,
        ca_file: str | Path | None = None,
        username: str | None = None,
        password: str | None = None,
        client_id: str = "hxtp-gateway",
        clock: Callable[[], int] = lambda: time.time_ns() // 1000000,
    ) -> None:
        self._owns_store = not isinstance(store, Store)
        self.store = store if isinstance(store, Store) else Store(store)
        self.dropped = 0  # messages that came faster than they could be judged
        self._address = (host, port)
        self._clock = clock
        self._listeners: list[Callable[[Notice], None]] = []
        self._work: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._given: list[tuple[Future, Ticket]] = []  # accepted, and not yet in the store
        self._connected = False
        self._settled = threading.Event()  # the first attempt came to an end
        self._refusal = ""
        self._hub = Hub(self.store)
        self._client = self._make_client(client_id, ca_file, username, password)
        self._worker = threading.Thread(target=self._run, name="gateway", daemon=True)

    # -- life -----------------------------------------------------------------------------------

    def start(self, timeout: float = 10.0) -> "Gateway":
        """Connect and subscribe. Raises GatewayError within `timeout` seconds and says what was in the way.

        Later losses of the connection are repaired by itself.
        """
        broker = f"the broker at {self._address[0]}:{self._address[1]}"
        self._client.connect_timeout = timeout
        try:
            self._client.connect(*self._address, keepalive=30)
        except (OSError, ValueError) as error:
            self.stop()
            raise GatewayError(f"cannot reach {broker}: {error}") from None
        self._worker.start()
        self._client.loop_start()
        if not self._settled.wait(timeout) or not self._connected:
            self.stop()
            raise GatewayError(f"no session with {broker}: {self._refusal or 'it does not answer'}")
        return self

    def stop(self) -> None:
        """Disconnect, write what is unwritten, end the thread. May be called twice."""
        self._client.disconnect()
        self._client.loop_stop()
        if self._worker.is_alive():
            self._work.put(None)
            self._worker.join(CALL_TIME)
        if self._owns_store:
            self.store.close()
        else:
            self.store.write()

    def __enter__(self) -> "Gateway":
        return self.start()

    def __exit__(self, *unused: object) -> None:
        self.stop()

    # -- what people and programs ask -------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether there is a session with the broker, subscribed to the devices' channels."""
        return self._connected

    def register(self, device_type: str) -> Registration:
        """Make a device of this tenant."""
        return self._call(lambda now: self._hub.register(device_type, now))

    def command(
        self,
        device_id: str,
        action: str,
        params: Mapping[str, Any] | None = None,
        life_s: float = LIFE / 1000,
    ) -> Ticket:
        """Accept a command: it is in the store when this returns, and a crash does not lose it.

        See Hub.command for what is refused, with HxtpError. OSError: the store could not be written, and
        the command is not accepted.
        """
        return self._call(
            lambda now: self._hub.command(device_id, action, params or {}, now, round(life_s * 1000)),
            self._given,
        )

    def ticket(self, message_id: str) -> Ticket | None:
        return self._call(lambda now: self._hub.ticket(message_id))

    def device(self, device_id: str) -> Device:
        """Raises HxtpError(DEVICE_NOT_FOUND)."""
        return self._call(lambda now: self._hub.device(device_id, now))

    def devices(self) -> list[Device]:
        return self._call(self._hub.devices)

    def refused(self) -> dict[str, int]:
        """How many messages were refused that belong to no registered device, by code."""
        return self._call(lambda now: dict(self._hub.refused))

    def listen(self, listener: Callable[[Notice], None]) -> Callable[[], None]:
        """Call `listener(notice)` on the gateway's thread for all that happens from now on; it must not wait.

        Returns a function that ends it.
        """
        self._listeners = [*self._listeners, listener]

        def end() -> None:
            self._listeners = [other for other in self._listeners if other is not listener]

        return end

    def events(self) -> "queue.SimpleQueue[Notice]":
        """A queue of all notices from now on."""
        notices: queue.SimpleQueue[Notice] = queue.SimpleQueue()
        self.listen(notices.put)
        return notices

    # -- the thread -----------------------------------------------------------------------------

    def _call(self, work: Callable[[int], Any], until_stored: list[tuple[Future, Any]] | None = None) -> Any:
        # `until_stored`: where an answer waits that may be given only when it is in the store.
        if threading.current_thread() is self._worker:
            raise RuntimeError("a listener cannot ask the gateway; hand the notice to another thread")
        if not self._worker.is_alive():
            raise GatewayError("the gateway is not running")
        future: Future = Future()

        def do() -> None:
            try:
                answer = work(self._clock())
            except Exception as error:  # belongs to whoever asked
                future.set_exception(error)
                return
            if until_stored is None:
                future.set_result(answer)
            else:
                until_stored.append((future, answer))

        self._work.put(do)
        return future.result(CALL_TIME)

    def _run(self) -> None:
        while True:
            try:
                work = self._work.get(timeout=TURN)
                # What is already waiting shares one write of the store.
                for _ in range(100):
                    if work is None:
                        self._secure_given()
                        return
                    work()
                    work = self._work.get_nowait()
            except queue.Empty:
                pass
            self._turn()

    def _turn(self) -> None:
        try:
            messages, notices = self._hub.turn(self._clock(), self._connected)
        except OSError as error:
            log.error("the store cannot be written, so nothing is sent: %s", error)
            self._withdraw_given(error)
            time.sleep(TURN)
            return
        except Exception:  # a fault of ours; the next turn may do better, and the thread must live
            log.exception("a turn of the gateway failed")
            self._secure_given()
            time.sleep(TURN)
            return
        self._hand_out()
        for topic, payload in messages:
            self._client.publish(topic, payload, qos=1)
        for notice in notices:
            for listener in self._listeners:
                try:
                    listener(notice)
                except Exception:
                    log.exception("a listener failed")

    def _hand_out(self) -> None:
        for future, ticket in self._given:
            future.set_result(ticket)
        self._given.clear()

    def _secure_given(self) -> None:
        try:
            self.store.write()
        except OSError as error:
            self._withdraw_given(error)
        else:
            self._hand_out()

    def _withdraw_given(self, error: OSError) -> None:
        self._hub.withdraw(ticket for _, ticket in self._given)
        for future, _ in self._given:
            future.set_exception(error)
        self._given.clear()

    # -- MQTT, on the client's own thread -----------------------------------------------------------

    def _make_client(
        self, client_id: str, ca_file: str | Path | None, username: str | None, password: str | None
    ) -> mqtt.Client:
        # Two gateways with one client id would throw each other off the broker for ever.
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=f"{client_id}-{os.urandom(4).hex()}",
            protocol=mqtt.MQTTv311,
            reconnect_on_failure=True,
        )
        if ca_file is not None:
            client.tls_set_context(ssl.create_default_context(cafile=str(ca_file)))
        if username is not None:
            client.username_pw_set(username, password)
        client.reconnect_delay_set(0.1, 0.5)  # seconds; a test bench's broker is near
        client.on_socket_open = _send_at_once
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _on_connect(
        self, client: mqtt.Client, data: object, flags: object, reason: Any, props: object
    ) -> None:
        if reason.is_failure:
            self._refusal = str(reason)
            self._settled.set()
            return
        prefix = f"hxtp/{self.store.tenant_id}/device/+/"
        client.subscribe([(prefix + channel, 1) for channel in INBOUND])

    def _on_subscribe(self, client: mqtt.Client, data: object, mid: int, reasons: Any, props: object) -> None:
        if any(reason.is_failure for reason in reasons):
            self._refusal = "the broker does not let this user read the devices' channels"
            log.error(self._refusal)
        else:
            self._connected = True
        self._settled.set()

    def _on_disconnect(
        self, client: mqtt.Client, data: object, flags: object, reason: Any, props: object
    ) -> None:
        if self._connected:
            log.info("the broker's connection ended: %s", reason)
        self._connected = False

    def _on_message(self, client: mqtt.Client, data: object, message: mqtt.MQTTMessage) -> None:
        if self._work.qsize() >= WAITING:
            self.dropped += 1
            return
        topic, payload = message.topic, message.payload
        self._work.put(lambda: self._hub.receive(topic, payload, self._clock()) and None)


def _send_at_once(client: mqtt.Client, data: object, sock: Any) -> None:
    # Without this the kernel holds a small packet back for up to 40 ms while another is unacknowledged.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
