"""A virtual day: the firmware's device in its own loop, the in-memory broker, the gateway, one virtual clock.

Time passes only where the device's loop sleeps: 10 ms while something is going on, STRIDE while nothing is.
A power cut is an exception out of that sleep, out of a flash write or out of a running command, which nothing
in the firmware may catch; the next life then begins on the same flash. This module must never decide what is
right: it keeps a record, and the tests judge.
"""

from collections import Counter
from collections.abc import Callable
from random import Random
from types import SimpleNamespace

from test_device_clock import PERIOD, UNTIL_2000, Ntp, Rtc
from test_device_store import PowerCut

from host_sim.broker.memory import MemoryNetwork
from host_sim.gateway.hub import Ticket
from host_sim.gateway.memory import MemoryGateway
from host_sim.gateway.places import MemoryFile
from host_sim.gateway.store import Store as GatewayStore
from hxtp_device import BUILT
from hxtp_device.backoff import Backoff
from hxtp_device.clock import Clock
from hxtp_device.device import HELLO_SENT as HELLO
from hxtp_device.device import MQTT_LINKING, SUBSCRIBING, Device
from hxtp_device.store import Store
from tests.device.day_parts import CountedFlash, Socket, Tally, TellingLink, Ticks
from tests.device.rig import Guard, Wifi

SECOND, MINUTE, HOUR = 1000, 60000, 3600000
STRIDE = 500  # ms that the loop sleeps at most
BOOT = 2 * SECOND  # from power to the first poll
START = (BUILT + 20000000) * 1000  # ms since 1970
LAST_PID = 65535


class NightFall(BaseException):
    """The day is over; nothing in the firmware may catch it."""


class Order:
    """A command: number, when it was ordered (ms), its message_id and its ticket."""

    def __init__(self, number: int, at: int, ticket: Ticket) -> None:
        self.number = number
        self.at = at
        self.ticket = ticket


class Day:
    """The world of one device. Times are the network's, ms since 1970.

    `orders`; `lost`: those that a killed gateway forgot; `runs`: number → how often. `notices` of a gateway.
    `disturbed`: [(from, to)]; `cuts`: times of power cuts and resets. `levels`: [(time, number)] as the part
    held them, `restored` as it got them back. `samples`: [(time, number)] of telemetry.
    `numbers`: the sequence numbers of what the device signed. `wraps` of the ticks
    and `pid_wraps` of MQTT's packet ids, as a device saw them. `errors` of the lives that ended.
    """

    def __init__(self, seed: int = 1) -> None:
        self.random = Random(seed)
        self.network = MemoryNetwork(start=START)
        self.file = MemoryFile()
        store = GatewayStore(self.file, "home", self.random.randbytes)
        self.gateway = MemoryGateway(self.network, store)
        self.registration = self.gateway.register("tally")
        self.flash = CountedFlash()
        self.wifi = Wifi()
        self.air = True
        self.device: Device | None = None
        self.device_clock: Clock | None = None
        self.wall = UNTIL_2000
        self.ticks = PERIOD - 2 * HOUR  # of the first life; later ones wrap earlier
        self.ntp = Ntp(OSError(110))
        self.time = Ticks(self.network, self.ticks, self.wall)
        self.lives = 0
        self.polls = 0
        self.orders: list[Order] = []
        self.lost: list[Order] = []
        self.runs: Counter[int] = Counter()
        self.notices: list = []
        self.disturbed: list[tuple[int, int]] = []
        self.cuts: list[int] = []
        self.levels: list[tuple[int, int]] = [(START, 0)]
        self.restored: list[tuple[int, int]] = []
        self.samples: list[tuple[int, int]] = []
        self.numbers: list[int] = []
        self.wraps = 0  # of the ticks, seen by a device
        self.pid_wraps = 0
        self.errors: Counter[str] = Counter()
        self._reason = "power"
        self._cut: str | None = None
        self._in_run: Callable[[], None] | None = None
        self._end = START
        self._sockets: list[Socket] = []
        self._stirred = START

    # -- what a test plans -------------------------------------------------------------------------

    @property
    def now(self) -> int:
        return self.network.now

    def at(self, ms: int, call, *args) -> None:
        """Call it `ms` after the beginning of the day."""
        self.network.later(START + ms - self.now, lambda: call(*args))

    def order(self) -> None:
        number = len(self.orders) + len(self.lost) + 1
        self._stir()
        ticket = self.gateway.command(self.registration.device_id, "tally_set", {"n": number})
        self.orders.append(Order(number, self.now, ticket))

    def sample(self) -> None:
        if self.device is not None and self.device.session is not None:
            number = len(self.samples) + 1
            self.samples.append((self.now, number))
            self.device.telemetry({"number": number})

    def disturb(self, ms: int, begin, end) -> None:
        """begin() now, end() `ms` later; one at a time."""
        self.disturbed.append((self.now, self.now + ms))
        begin()
        self.network.later(ms, end)

    def lose_wifi(self, ms: int) -> None:
        def set_to(up: bool) -> None:
            self.wifi.joined = self.air = up
            if up:
                self._catch_up()

        self.disturb(ms, lambda: set_to(False), lambda: set_to(True))

    def fall_silent(self, ms: int) -> None:
        """The board's packets vanish, and it believes to be joined."""

        def end() -> None:
            self.air = True
            self._catch_up()

        def begin() -> None:
            self.air = False

        self.disturb(ms, begin, end)

    def lose_broker(self, ms: int, silent: bool) -> None:
        self.disturb(ms, lambda: self.network.cut(silent), self.network.restore)

    def hang_up(self) -> None:
        self.disturbed.append((self.now, self.now))
        self.network.disconnect("hxtp-" + self.registration.device_id)

    def cut_power(self) -> None:
        self._cut = "power"

    def reset(self) -> None:
        self._cut = "soft"

    def cut_in_flash(self, way: str) -> None:
        """At the next write but one, so that it may be a commit too."""
        self.flash.steps = 0
        self.flash.cut = (self.random.randint(1, 2), way)

    def cut_in_run(self) -> None:
        """The power goes while the next command runs."""

        def cut() -> None:
            self._cut = None
            raise PowerCut

        self._in_run = cut
        self.order()

    def silence_in_run(self, ms: int) -> None:
        """The board's packets vanish while the next command runs: its acknowledgement gets lost."""
        self._in_run = lambda: self.fall_silent(ms)
        self.order()

    def set_clock(self, seconds: int) -> None:
        """The wall clock jumps: nobody vouches for it."""
        self.time.true += seconds

    def restart_gateway(self) -> None:
        """The gateway is killed and starts anew from what its store wrote."""
        self.disturbed.append((self.now, self.now))
        for link in list(self.network.links):
            if link.name == "hxtp-gateway":
                link.close()
        self.notices += self.gateway.notices
        store = GatewayStore(self.file, "home", self.random.randbytes)
        self.gateway = MemoryGateway(self.network, store)
        for order in list(self.orders):
            if not order.ticket.done():
                found = self.gateway.hub.ticket(order.ticket.message_id)
                if found is None:  # killed before its next turn wrote it
                    self.lost.append(order)
                    self.orders.remove(order)
                else:
                    order.ticket = found

    def _stir(self) -> None:
        """Something is going on: the loop takes its short steps for a while."""
        self._stirred = self.now

    # -- the run -----------------------------------------------------------------------------------

    def until(self, ms: int) -> None:
        """Let the day go on to `ms` after its beginning, through as many lives as it takes."""
        self._end = START + ms
        while True:
            try:
                if self.device is None:
                    self._boot()
                self.device.run()
            except NightFall:
                return
            except PowerCut:
                self._died()

    def ran(self, number: int) -> None:
        self.runs[number] += 1
        self.levels.append((self.now, number))
        happens, self._in_run = self._in_run, None
        if happens:
            happens()

    def _boot(self) -> None:
        self._pass(BOOT)
        self.lives += 1
        first = self.ticks % PERIOD
        self.time = Ticks(self.network, first, self.wall)
        self._ticks_seen = first
        random = self.random.randbytes
        store = Store(self.flash, random)
        clock = Clock(self.time, Rtc(self.time), max(BUILT, store.time))
        identity = self.registration
        link = TellingLink(
            self._open,
            "hxtp-" + identity.device_id,
            "broker",
            port=8883,
            user=identity.device_id,
            password="p",
            keepalive=60,
        )
        link.tell(self.numbers).pid = LAST_PID - 8
        self._pid_seen = link.pid
        settings = SimpleNamespace(
            tenant_id=identity.tenant_id,
            device_id=identity.device_id,
            secret=identity.secret,
            board={"device_type": "tally"},
            firmware_version=None,
            accept_unsigned_action=False,
            serve_cloud_without_hello_ack=False,
            ntp="pool.ntp.org",
            password_expiry=4102444799,
            watchdog=30,
        )
        guard = Guard()
        guard.reason = self._reason
        self.device = Device(
            settings, store, clock, self.wifi, link, guard, Backoff(random), random, self.ntp, self._sleep
        )
        self.device_clock = clock
        part = Tally(self)
        part.context = self.device
        self.device.add(part)
        self.part = part
        self.restored.append((self.now, part.last))
        self.levels.append((self.now, part.last))

    def _died(self) -> None:
        """Without power no connection is closed: they fall silent, and the broker finds out by itself."""
        soft = self._cut == "soft"
        self._cut = None
        self.cuts.append(self.now)
        self._reason = "soft" if soft else "power"
        self.wall = self.time.true if soft else UNTIL_2000
        self.ticks = PERIOD - self.random.randint(1, 5) * MINUTE
        self.errors.update(self.device.errors)
        self.device = None
        self.flash.cut = None
        self._sockets.clear()

    def _open(self, host, port, tls):
        while not self.air:
            yield None
        yield None
        try:
            link = self.network.link("hxtp-" + self.registration.device_id)
        except ConnectionRefusedError:
            raise OSError(111) from None
        self._sockets = [one for one in self._sockets if one.link.open]
        self._sockets.append(Socket(self, link))
        yield self._sockets[-1]

    def _catch_up(self) -> None:
        for one in self._sockets:
            if one.link.open:
                one.carry()

    def _lively(self) -> bool:
        device = self.device
        if device is None or not self.air or self.network.outage:
            return False
        return (
            device.state in (MQTT_LINKING, SUBSCRIBING, HELLO)
            or device.link._out
            or device.link._flight
            or self.now - self._stirred < 200
        )

    def _sleep(self, ms: int) -> None:
        self.polls += 1
        device = self.device
        self._pass(ms if self._lively() else STRIDE)
        ticks = self.time.ticks_ms()
        self.wraps += ticks < self._ticks_seen
        self._ticks_seen = ticks
        self.pid_wraps += device.link.pid < self._pid_seen
        self._pid_seen = device.link.pid
        if self._cut:
            raise PowerCut
        if self.now >= self._end:
            raise NightFall

    def _pass(self, ms: int) -> None:
        self.network.advance(ms)
        self.gateway.step()
        if self.gateway.notices:
            self._stir()
            self.notices += self.gateway.notices
            self.gateway.notices.clear()
