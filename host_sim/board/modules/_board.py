"""The simulated board behind every stand-in module: its clock, its trace, its backplane and its memory of the
world.

It must never decide anything that the firmware decides, never hold back without bound, and never put a value
from NVS, a password or a message into the trace.

The same file runs on CPython and on MicroPython. Started by `launch.py` it is joined to the host by the
*backplane*: one loopback TCP connection with a JSON object a line, events going out and commands coming in.
Imported straight into a unit test there is no backplane; then the last `KEEP` events stay in the list
`trace`.
"""

import json
import sys

MICROPYTHON = sys.implementation.name == "micropython"
# of the ticks, as on an ESP32: ticks_ms() wraps after 12.4 days, ticks_us() after 18 minutes
PERIOD = 1 << 30
_MASK = PERIOD - 1
KEEP = 64 if MICROPYTHON else 10000
PUMP_MS = 4  # how long the clock may be read before the backplane and the timers are looked at again

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

# Exit status of the process, for the host: 64 + cause is a reset that the firmware asked for.
EXIT_RESET = 64
EXIT_POWER = 80  # a power cut at a chosen flash write
EXIT_ORPHAN = 81  # the host is gone

if MICROPYTHON:
    import utime as _time

    _raw_us = _time.ticks_us
    _raw_ms = _time.ticks_ms
    _sleep_ms = _time.sleep_ms
    _sleep_us = _time.sleep_us
else:
    import time as _time

    _monotonic_ns = _time.monotonic_ns
    _host_sleep = _time.sleep
    _host_time_ns = _time.time_ns

    def _raw_us():
        return _monotonic_ns() // 1000

    def _raw_ms():
        return _monotonic_ns() // 1000000

    def _sleep_ms(ms):
        _host_sleep(ms / 1000)

    def _sleep_us(us):
        _host_sleep(us / 1000000)


def _diff(a, b):
    return ((a - b + (PERIOD >> 1)) & _MASK) - (PERIOD >> 1)


def _add(ticks, delta):
    return (ticks + delta) & _MASK


if MICROPYTHON and sys.maxsize <= 0x7FFFFFFF:  # there the built-in ones have this very period
    ticks_diff = _time.ticks_diff
    ticks_add = _time.ticks_add
else:
    ticks_diff = _diff
    ticks_add = _add


class Reset(BaseException):
    """What a reset is where no board was started (unit tests): `cause` tells which."""

    def __init__(self, cause):
        super().__init__(cause)
        self.cause = cause


# --- the board's state; the host's boot message sets it before the firmware runs ----------------------------
launched = False  # True in a process of its own, where resets and the watchdog are real
folder = None  # of the flash: holds `fs/`, `nvs`, `rtc`; None keeps NVS in memory
trace = []
cause = PWRON_RESET
uid = b"\x02\x00\x00\x00\x00\x01"
slots = 1  # application partitions: 1 as on most stock images, 2 as on ESP32_GENERIC-OTA
wifi_up = True  # the access point is on the air
wifi_auth = True  # it takes our password
wifi_ssid = None  # the only network there is; None takes any
associated = False  # kept by network.py
ntp_up = True
ntp_skew_s = 0  # by how much the network's time lies
inputs = {}  # pin → level from outside
pins = {}  # pin → machine.Pin
timers = []  # running machine.Timer objects
hooks = []  # called by every pump, for modules with a state of their own (network)
irq_off = False
edges = None  # module _edges, while a train of edges is under way
edge_us = None  # what ticks_us() says while the handler of such an edge runs

_link = None  # the backplane's socket
_wait_link = None  # _wait_link(ms): wait for a command from the host, at most ms; True when there is one
_inbox = b""
_replies = []
_pumping = False
_kept = 0  # uptime when now_us() was last kept from losing a turn of the microseconds
_origin_ms = _raw_ms()
_last_us = _raw_us()
_elapsed_us = 0
_next_pump = 0
_rtc_base_us = 0  # the RTC, in µs since 2000-01-01, when the board started


host_open = open  # before a started board replaces it


# --- clock --------------------------------------------------------------------------------------------------
def now_us():
    """Microseconds since the board started; never wraps."""
    global _last_us, _elapsed_us
    raw = _raw_us()
    step = _time.ticks_diff(raw, _last_us) if MICROPYTHON else raw - _last_us
    _last_us = raw
    _elapsed_us += step
    return _elapsed_us


def uptime_ms():
    """ticks_ms() without a look at the backplane."""
    return (_raw_ms() - _origin_ms) & _MASK


def ticks_ms():
    global _next_pump
    if edges is not None:
        _catch_up()
    ticks = (_raw_ms() - _origin_ms) & _MASK
    if ticks_diff(ticks, _next_pump) >= 0:
        _next_pump = ticks_add(ticks, PUMP_MS)
        pump()
    return ticks


def ticks_us():
    if edge_us is not None:
        return edge_us
    return _catch_up()


def passed_us():
    """ticks_us() without a look at what should have happened by now."""
    return (_raw_us() - _origin_ms * 1000) & _MASK


def _catch_up():
    """passed_us(), never after an edge that nobody was told of: a chip would have been interrupted."""
    now = passed_us()
    while edges is not None and not _pumping and edges.late(now):
        pump()
        now = passed_us()
    return now


def sleep_ms(ms):
    """Sleep for `ms` ticks of a millisecond, while timers fire and the host's commands are obeyed."""
    if ms <= 0:
        pump()
        return
    end = ticks_add(uptime_ms(), ms)
    while True:
        pump()
        left = ticks_diff(end, uptime_ms())
        if left <= 0:
            return
        for timer in timers:
            left = min(left, max(1, ticks_diff(timer.due, uptime_ms())))
        ahead = None if edges is None or _pumping else edges.ahead_ms()
        if ahead is None:
            _wait(min(left, 1000))
        else:
            _leap(min(left, ahead))


def _leap(ms):
    """Let the ticks go forward without waiting. The RTC stays: true time has not passed."""
    global _origin_ms, _elapsed_us, _rtc_base_us
    _origin_ms -= ms
    _elapsed_us += ms * 1000
    _rtc_base_us -= ms * 1000


def sleep_us(us):
    if us >= 2000:
        sleep_ms(us // 1000)
    elif us > 0:
        _sleep_us(us)


def sleep(seconds):
    sleep_ms(int(seconds * 1000))


def _wait(ms):
    if _wait_link is None or _pumping:
        _sleep_ms(ms)
    else:
        _wait_link(ms)


def rtc_us():
    """The board's wall clock: µs since 2000-01-01. Nothing has set it after power-on, so it then starts at
    0."""
    return _rtc_base_us + now_us()


def set_rtc(us):
    global _rtc_base_us
    _rtc_base_us = us - now_us()
    record("rtc", rtc_us=us)


def host_seconds():
    """The network's idea of the time: seconds since 2000-01-01, true unless the host made it lie."""
    seconds = _time.time_ns() // 1000000000 if MICROPYTHON else _host_time_ns() // 1000000000
    return seconds - 946684800 + ntp_skew_s


_MONTHS = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)


def seconds_of(year, month, day, hour=0, minute=0, second=0):
    """Seconds since 2000-01-01 of a date; like mktime, a month beyond 12 or a day beyond 31 carries over."""
    year += (month - 1) // 12
    month = (month - 1) % 12
    years = year - 2000
    leaps = (year - 1) // 4 - (year - 1) // 100 + (year - 1) // 400 - 484
    days = years * 365 + leaps + _MONTHS[month] + day - 1
    if month > 1 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0):
        days += 1
    return ((days * 24 + hour) * 60 + minute) * 60 + second


def date_of(seconds):
    """(year, month, day, hour, minute, second, weekday, yearday) of seconds since 2000-01-01; Monday is 0."""
    days, rest = divmod(seconds, 86400)
    year = 2000 + days // 366
    while seconds_of(year + 1, 1, 1) <= seconds:
        year += 1
    month = 12
    while seconds_of(year, month, 1) > seconds:
        month -= 1
    day = days - seconds_of(year, month, 1) // 86400 + 1
    yearday = days - seconds_of(year, 1, 1) // 86400 + 1
    return (year, month, day, rest // 3600, rest // 60 % 60, rest % 60, (days + 5) % 7, yearday)


def time():
    return rtc_us() // 1000000


def time_ns():
    return rtc_us() * 1000


def gmtime(seconds=None):
    return date_of(time() if seconds is None else int(seconds))


def mktime(date):
    return seconds_of(date[0], date[1], date[2], date[3], date[4], date[5])


# --- trace and backplane ------------------------------------------------------------------------------------
def record(ev, **fields):
    """One line of the trace. `fields` may be numbers, strings and lists of numbers; the time is added
    here."""
    fields["t_us"] = now_us()
    fields["ev"] = ev
    if _link is not None:
        _send(fields)
        return
    trace.append(fields)
    if len(trace) > KEEP:
        trace.pop(0)


def _send(message):
    try:
        if MICROPYTHON:
            # What is long goes out bit by bit: no real board has this line in its heap.
            if "pulses" in message:
                json.dump(message, _link)
            else:
                _link.write(json.dumps(message))
            _link.write("\n")
        else:
            _link.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
        leave(EXIT_ORPHAN)


def join(link, wait):
    """Take a connected, blocking socket as the backplane; wait(ms) tells whether it has something to read."""
    global _link, _wait_link
    _link = link
    _wait_link = wait


def ask(question, timeout_ms=10000, **fields):
    """Ask the host and wait for its answer (a dict), as a DNS look-up blocks on a real board."""
    record(question, **fields)
    end = ticks_add(uptime_ms(), timeout_ms)
    while not _replies:
        left = ticks_diff(end, uptime_ms())
        if left <= 0:
            raise OSError(110)
        _wait_link(left)
        _receive(True)
    return _replies.pop(0)


def _receive(urgent=False):
    """Obey what came. Without urgency the rest of a long train of edges, and what follows it, stays in the
    socket."""
    global _inbox
    while urgent or edges is None or not edges.crowded():
        end = _inbox.find(b"\n")
        if end >= 0:
            line = _inbox[:end]
            _inbox = _inbox[end + 1 :]
            _obey(json.loads(line))
            continue
        if not _wait_link(0):
            return
        data = _link.recv(256)
        if not data:
            leave(EXIT_ORPHAN)
        _inbox += data


def _obey(command):
    global wifi_up, wifi_auth, wifi_ssid, ntp_up, ntp_skew_s, _rtc_base_us, edges
    what = command["cmd"]
    if what == "reply":
        _replies.append(command)
    elif what == "wifi":
        wifi_up = command.get("up", wifi_up)
        wifi_auth = command.get("auth", wifi_auth)
        wifi_ssid = command.get("ssid", wifi_ssid)
    elif what == "clock":
        if "set_us" in command:
            set_rtc(command["set_us"])
        else:
            set_rtc(rtc_us() + command["skew_us"])
    elif what == "ntp":
        ntp_up = command.get("up", ntp_up)
        ntp_skew_s = command.get("skew_s", ntp_skew_s)
    elif what == "input":
        set_input(command["pin"], command["value"])
    elif what == "edges":
        import _edges

        edges = _edges
        edges.add(command)
    elif what == "cut":
        import _flash

        _flash.cut(command["n"], command["at"])


def configure(boot):
    """The host's boot message: what the world is like before the first line of the firmware runs."""
    global cause, uid, slots, wifi_up, wifi_auth, wifi_ssid, ntp_up, ntp_skew_s, _rtc_base_us, _origin_ms
    import binascii

    cause = boot["cause"]
    uid = binascii.unhexlify(boot["uid"])
    slots = boot["slots"]
    wifi_up, wifi_auth, wifi_ssid = boot["wifi"]
    ntp_up, ntp_skew_s = boot["ntp"]
    _rtc_base_us = boot["rtc_us"] - now_us()
    _origin_ms = _raw_ms() - boot["ticks_ms"]
    for pin, value in boot["inputs"]:
        inputs[pin] = value
    if boot["cut"]:
        import _flash

        _flash.cut(boot["cut"][0], boot["cut"][1])


def set_input(pin, value):
    """What the world puts on a pin; None lets go of it, and the pull-up or pull-down decides."""
    before = pins[pin].value() if pin in pins else None
    if value is None:
        inputs.pop(pin, None)
    else:
        inputs[pin] = value
    record("input", pin=pin, value=value)
    if pin in pins:
        pins[pin].edge(before)


def pump():
    """Let the rest of the board live: the host's commands, timers that are due, modules with a state of their
    own."""
    global _pumping, _kept
    if _pumping:
        return
    _pumping = True
    if not -60000 < ticks_diff(_kept, uptime_ms()) <= 0:
        _kept = uptime_ms()
        now_us()
    try:
        if _wait_link is not None:
            _receive()
        if timers and not irq_off:
            for timer in list(timers):
                if ticks_diff(uptime_ms(), timer.due) >= 0 and timer in timers:
                    timer.fire()
        for hook in hooks:
            hook()
    finally:
        _pumping = False


def later(owner, place, name):
    """What module `owner` has as `name`: loaded from the module `place` with the first look at it.

    On a chip all of `owner` lies in flash; here it would lie in the firmware's heap. Raises AttributeError.
    """
    if name[:1] == "_":
        raise AttributeError(name)
    value = getattr(__import__(place), name)
    setattr(sys.modules[owner], name, value)
    return value


def call(function, argument):
    """Run a callback as MicroPython's scheduler does: what it raises is printed, and the firmware goes on."""
    try:
        function(argument)
    except Exception as error:
        print_exception(error)


def print_exception(error):
    if MICROPYTHON:
        sys.print_exception(error)
    else:
        import traceback

        traceback.print_exception(error, file=sys.stdout)


# --- the end of a run ---------------------------------------------------------------------------------------
def reset(new_cause):
    record("reset", cause=new_cause)
    if not launched:
        raise Reset(new_cause)
    leave(EXIT_RESET + new_cause)


def leave(status):
    """End the process at once: no handler, no `finally`, no buffered write of the firmware runs any more."""
    import _process

    _process.leave(status)
