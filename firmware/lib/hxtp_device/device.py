"""The device: its parts, its session and its connection, and the loop that keeps all of them going.

`poll()` makes one short step and returns, whatever the network does; parts are ticked in every one of them,
so local control goes on offline. This module must never execute what the session has not accepted.
"""

import gc
import sys

from umqtt.simple import MQTTException

from hxtp import envelope
from hxtp.counter import Counter
from hxtp.errors import BUFFER_OVERFLOW, PAYLOAD_TOO_LARGE, HxtpError
from hxtp.registry import Registry
from hxtp.session import Identity, Session
from hxtp.sign import Key, digest
from hxtp.topics import SUBSCRIBED, topic
from hxtp_device import VERSION

IDLE = "IDLE"
WIFI_CONNECTING = "WIFI_CONNECTING"
TIME_SYNCING = "TIME_SYNCING"
MQTT_LINKING = "MQTT_LINKING"
SUBSCRIBING = "SUBSCRIBING"
HELLO_SENT = "HELLO_SENT"
READY = "READY"
RECONNECTING = "RECONNECTING"
ERROR = "ERROR"

STATES = {
    # state: (what each poll does in it, the state when that is done, the state when it fails)
    IDLE: ("_start", WIFI_CONNECTING, ERROR),
    WIFI_CONNECTING: ("_join", TIME_SYNCING, RECONNECTING),
    TIME_SYNCING: ("_sync", MQTT_LINKING, RECONNECTING),
    MQTT_LINKING: ("_link", SUBSCRIBING, RECONNECTING),
    SUBSCRIBING: ("_subscribe", HELLO_SENT, RECONNECTING),
    HELLO_SENT: ("_talk", READY, RECONNECTING),
    READY: ("_talk", READY, RECONNECTING),
    RECONNECTING: ("_wait", WIFI_CONNECTING, RECONNECTING),
    ERROR: ("_wait", IDLE, ERROR),
}

# At QoS 0: what the next one makes good.
_UNSURE = ("heartbeat", "telemetry")
STEADY = 60000  # a session that lasts as long makes the back-off begin anew
DEBOUNCE = 5000  # ms of quiet before states of parts are written to flash
ASK_TIME = 600000  # ms between questions to the time server, while no authentic answer told the time
HOUR = 3600000  # ms
DAY = 86400  # s
KINDS = 32  # of errors that are remembered
MAKING = 5  # s that the watchdog leaves at least for making all parts


class Pieces:
    """What signs for the session: every message leaves in pieces, of which none needs room for the whole."""

    @staticmethod
    def build(key, fields, body, framed):
        """As envelope.build, but an envelope.Stream."""
        return envelope.Stream(key, fields, digest(body), len(body), (body,), framed)


class Device:
    """Composition and loop. All it needs is passed in; `build` passes the stock modules.

    `state` is one of STATES, `errors` counts by kind, `on_ready` is called at the beginning of each session.
    It is also the context of its parts: `now()`, `changed(part)`, `declare(part)` and `files(name)`.
    """

    def __init__(
        self, settings, store, clock, wifi, link, guard, backoff, random, ntptime=None, sleep_ms=None
    ):
        self.settings = settings
        self.store = store
        self.clock = clock
        self.wifi = wifi
        self.link = link
        self.guard = guard
        self.registry = Registry(lambda error: self._fault("a command", error))
        self.session = None
        self.state = IDLE
        self.errors = {}
        self.on_ready = None
        self._led = None
        self._lit = False
        self._backoff = backoff
        self._random = random
        self._ntptime = ntptime
        self._sleep_ms = sleep_ms
        self._due = self._ask_due = self._hour_due = 0
        self._begun = False
        self._ready_since = None
        self._changed_at = None
        self._handled = 0
        self._topic = topic(settings.tenant_id, settings.device_id, "")
        self._saved = store.parts()

    # -- for makers -----------------------------------------------------------------------------

    def add(self, part):
        """Add a part, before the first poll; what it saved before the power went is given back to it."""
        if self.session:
            raise ValueError("add parts before the first poll")
        self.registry.add(part)
        if part.name in self._saved and hasattr(part, "restore"):
            part.restore(self._saved[part.name])

    def telemetry(self, values):
        """Send a sample (a flat dict) now, or when the cloud is back: the newest 32 are kept.

        Raises ValueError before the first poll, when there is nothing that could keep it.
        """
        if not self.session:
            raise ValueError("poll() once before telemetry()")
        self._try("telemetry", self.session.telemetry, values, self.clock.now())

    def show(self, led):
        """Light `led` while there is a session: anything that is called with True or False, such as a Pin."""
        self._led = led

    def now(self):
        """Monotonic ms, for parts."""
        return self.clock.now()

    def changed(self, part):
        """A part has news: its state is reported, and saved once nothing changed for 5 s."""
        self._changed_at = self.clock.now()
        if self.session:
            self.session.report_state()

    def declare(self, part):
        """A part's `actions` changed: they are run and told to the cloud from now on. Raises HxtpError where
        the manifest has no room for them; the part then takes its old ones back.
        """
        self.registry.refresh()
        if self.session:
            self.session.declare()

    def files(self, name):
        """The files of the part `name`: see hxtp_device.files."""
        import os

        from hxtp_device.files import Files

        return Files("parts/" + name, os, open)

    def run(self):
        """Poll for ever. An error that no poll survives ends in the watchdog: only whole polls feed it."""
        try:
            while True:
                try:
                    busy = self.poll()
                except Exception as error:
                    self._fault("the loop", error)
                    busy = False
                if not busy:
                    self._sleep_ms(10)
        finally:
            self.guard.rest()

    def poll(self):
        """One short step of everything. Returns whether there is more to do at once."""
        if self.state == IDLE and self.settings.watchdog:
            self.guard.watch(self.settings.watchdog)
        now = self.clock.now()
        for part in self.registry.parts:
            try:
                part.tick(now)
            except Exception as error:
                self._fault(part.name, error)
        busy = self._step(now)
        if self._lit != (self.state == READY):
            self._lit = not self._lit
            if self._led:
                self._led(self._lit)
        if self._changed_at is not None and now - self._changed_at >= DEBOUNCE:
            self._changed_at = None
            self._try("saving", self._save_parts)
        self.guard.feed(now)
        return busy

    # -- states ---------------------------------------------------------------------------------

    def _step(self, now):
        step, done, failed = STATES[self.state]
        self._handled = 0
        try:
            if self.state not in (IDLE, WIFI_CONNECTING, RECONNECTING, ERROR) and not self.wifi.up():
                raise OSError("Wi-Fi is lost")
            if getattr(self, step)(now):
                before, self.state = self.state, done
                if done == READY != before:
                    self._ready(now)
        except Exception as error:  # whatever it is, it must not stop the parts
            self._fault(self.state, error)
            self._leave(now)
            self.state = failed
        return self._handled

    def _start(self, now):
        settings, store = self.settings, self.store
        if not self._begun:
            store.begin()
            self._begun = True
        identity = Identity(
            settings.device_id,
            settings.tenant_id,
            settings.board["device_type"],
            settings.firmware_version or VERSION,
            store.boot_count,
            self.guard.reason,
        )
        counter = Counter(store.used, store.reserve)
        self.session = Session(
            identity, Key(settings.secret), counter, self.registry, self._random, store, stream=True
        )
        for name, value in (
            ("wire", Pieces),
            ("accept_unsigned_action", settings.accept_unsigned_action),
            ("serve_cloud_without_hello_ack", settings.serve_cloud_without_hello_ack),
        ):
            setattr(self.session, name, value)
        self.link.set_last_will(self._topic + "heartbeat", b"")
        return True

    def _join(self, now):
        return self.wifi.poll(now)

    def _sync(self, now):
        if not self._keep_time(now) and self._ntptime and self.settings.ntp and now >= self._ask_due:
            self._ask_due = now + ASK_TIME
            self._ntptime.host = self.settings.ntp
            self.clock.ask(self._ntptime)
        if self.clock.wall() > self.settings.password_expiry:  # no more than a hint: the clock may lie
            print("hxtp: password_expiry is over by this clock: renew it (client renew)")
        gc.collect()  # the handshake wants its memory in one piece
        self.link.connect(now)
        return True

    def _link(self, now):
        self.link.poll(now)
        if self.link.connected:
            self.link.subscribe([self._topic + channel for channel in SUBSCRIBED], now)
            return True

    def _subscribe(self, now):
        self.link.poll(now)
        if self.link.subscribed:
            self.session.connected(now, 1000 * self.clock.wall())
            return True

    def _talk(self, now):
        session, link = self.session, self.link
        message = link.poll(now)
        if message:
            self._handled += 1
            self._receive(message, now)
        del message  # lest it takes room beside the next that leaves
        if session.tick(now):
            raise MQTTException("no authentic answer from the cloud")
        if link.ready():
            message = self._take(now)
            if message:
                self._handled += 1
                channel, payload = message
                link.publish(self._topic + channel, payload, 0 if channel in _UNSURE else 1, now)
        if self.state == READY and now >= self._hour_due:
            self._hour_due = now + HOUR
            self._try("the time", self._keep_time, now)
        return session.serving()

    def _take(self, now):
        try:
            return self.session.take(now)
        except (TypeError, ValueError) as error:  # a state that a part tells has no JSON form
            self._fault("a message", error)

    def _receive(self, message, now):
        session = self.session
        for channel in SUBSCRIBED:
            if message[0] == (self._topic + channel).encode():
                break
        else:
            return
        command = None
        if message[1] is None:
            session.refuse(PAYLOAD_TOO_LARGE)
        else:
            command = session.receive(channel, message[1], now, message[2])
        if session.refusal == BUFFER_OVERFLOW:
            print("hxtp: no room for %d bytes of message: send less at once" % len(message[1]))
        if session.refusal:
            print("hxtp: refused", session.refusal)
        if command:
            gc.collect()  # what is kept of it lies low then, and not amidst what is free
            session.finish(command, self.registry.run(command.action, command.params))

    def _ready(self, now):
        gc.collect()  # the manifest may be asked for
        print("hxtp: READY")
        self._ready_since = now
        self._hour_due = now
        self.guard.healthy()
        if self.on_ready:
            self._try("on_ready", self.on_ready)

    def _leave(self, now):
        self.link.close()
        if self.session:
            self.session.disconnected(now)
        if self._ready_since is not None and now - self._ready_since >= STEADY:
            self._backoff.reset()
        self._ready_since = None
        self._due = now + self._backoff.next()

    def _wait(self, now):
        return now >= self._due

    # -- the rest -------------------------------------------------------------------------------

    def _keep_time(self, now):
        time = self.session.time(now)
        if time is None:
            return False
        time //= 1000
        if self.clock.set(time) and abs(time - self.store.time) >= DAY:
            self.store.save_time(time)
        return True

    def _save_parts(self):
        states = {}
        for part in self.registry.parts:
            saved = part.saved() if hasattr(part, "saved") else None
            if saved is not None:
                states[part.name] = saved
        self.store.save_parts(states)

    def _try(self, what, function, *args):
        try:
            return function(*args)
        except Exception as error:
            self._fault(what, error)

    def _fault(self, where, error):
        """Count an error, and print it when it is the first of its kind."""
        kind = "%s: %s %s" % (where, type(error).__name__, error)
        if kind not in self.errors and len(self.errors) >= KINDS:
            kind = "others"
        if kind not in self.errors:
            print("hxtp:", kind)
            if not isinstance(error, (OSError, MQTTException)):
                sys.print_exception(error)
        self.errors[kind] = self.errors.get(kind, 0) + 1


def build(path="hxtp.json"):
    """The device that hxtp.json describes, on a stock board. Raises SettingsError."""
    import os
    import time

    import esp32
    import machine
    import network
    import ntptime

    import capabilities
    import hxtp_device
    from hxtp.sign import mqtt_password
    from hxtp_device import BUILT, guard, net, settings
    from hxtp_device.backoff import Backoff
    from hxtp_device.clock import Clock
    from hxtp_device.mqtt import Link
    from hxtp_device.store import Store
    from hxtp_device.wifi import Wifi

    given = settings.load(path)
    wrong = settings.SettingsError
    del sys.modules["hxtp_device.settings"], settings  # 4 kB that are needed once
    delattr(hxtp_device, "settings")
    store = Store(esp32.NVS("hxtp"), os.urandom)
    try:
        tls = net.context(given.ca) if given.ca else None
    except (OSError, ValueError) as error:
        raise wrong('"ca" holds no usable certificate: %s' % error) from None
    given.ca = None  # 1 or 2 kB, which the context has read
    link = Link(
        net.connect,
        "hxtp-" + given.device_id,
        given.host,
        port=given.port,
        user=given.device_id,
        password=mqtt_password(given.secret, given.device_id, given.password_expiry),
        keepalive=60,
        ssl=tls,
    )
    device = Device(
        given,
        store,
        Clock(time, machine.RTC(), max(BUILT, store.time)),
        Wifi(network, given.ssid, given.password),
        link,
        guard.start(),
        Backoff(os.urandom),
        os.urandom,
        ntptime,
        time.sleep_ms,
    )
    try:
        if given.watchdog:  # before a part can hang while it is made
            device.guard.watch(max(given.watchdog, MAKING))
        for part in capabilities.load(given.board, device):
            device.add(part)
        device.registry.refresh()  # whether its manifest fits into a message
    except (ValueError, HxtpError) as error:
        raise wrong("the board data: %s" % error.args[-1]) from None
    finally:
        device.guard.rest()  # until the first poll; or at the prompt, if there is a mistake
    led = given.board.get("status_led")
    if led is not None:
        try:
            device.show(machine.Pin(led, machine.Pin.OUT, value=0))
        except ValueError as error:
            raise wrong('"status_led": GPIO %d cannot be used: %s' % (led, error)) from None
    return device
