"""`machine` of the simulated ESP32: pins, PWM, timers, watchdog, RTC and the causes of a reset.

It must never do what the real module would refuse; where it is stricter than hardware, the docstring says so.
Every change of a pin goes into the trace of `board`, with its time.
"""

import _board
from _board import (
    DEEPSLEEP_RESET,
    HARD_RESET,
    PWRON_RESET,  # noqa: F401
    SOFT_RESET,
    WDT_RESET,  # noqa: F401
)

board = _board  # for tests: machine.board.trace

FLASH_PINS = (6, 7, 8, 9, 10, 11)
INPUT_ONLY = (34, 35, 36, 37, 38, 39)
NO_PINS = (20, 24, 28, 29, 30, 31)


class Pin:
    """One GPIO. Asking for the same number again gives the same object, as on the ESP32.

    ValueError for a number the chip lacks and, stricter than hardware, for those of the flash chip (6–11),
    whose use ends a real board's run.
    """

    IN = 1
    OUT = 3
    OPEN_DRAIN = 7
    PULL_DOWN = 1
    PULL_UP = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2
    WAKE_LOW = 4
    WAKE_HIGH = 5
    DRIVE_0, DRIVE_1, DRIVE_2, DRIVE_3 = 0, 1, 2, 3

    def __new__(cls, id, *_settings, **_named):
        if isinstance(id, Pin):
            return id
        if id in _board.pins:
            return _board.pins[id]
        if not isinstance(id, int) or not 0 <= id <= 39 or id in NO_PINS or id in FLASH_PINS:
            raise ValueError("invalid pin")
        pin = object.__new__(cls)
        pin.id = id
        pin.mode_ = None
        pin.pull_ = None
        pin.level = None  # what we drive; None while nothing is driven
        pin.pwm = None
        pin.handler = None
        pin.trigger = 0
        _board.pins[id] = pin
        return pin

    def __init__(self, id, mode=-1, pull=-1, *, value=None, drive=None, hold=None):
        if mode != -1 or pull != -1 or value is not None:
            self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, *, value=None, drive=None, hold=None):
        if mode in (self.OUT, self.OPEN_DRAIN) and self.id in INPUT_ONLY:
            raise ValueError("pin can only be input")
        if pull != -1:
            self.pull_ = pull
        if mode != -1 and mode is not None:
            if self.pwm is not None:
                self.pwm.deinit()
            self.mode_ = mode
        if self.mode_ in (self.OUT, self.OPEN_DRAIN):
            self._drive(int(bool(value)) if value is not None else self.level or 0)
        elif mode == self.IN:
            if self.level is not None:
                self.level = None
                _board.record("pin", pin=self.id, value=None)

    def _drive(self, level):
        if level != self.level:
            self.level = level
            _board.record("pin", pin=self.id, value=level)
            if self.handler is not None:
                self.edge(1 - level)

    def value(self, *level):
        """The level: 0 or 1; with an argument, drive it. An input that nothing drives follows its pull, else
        is 0."""
        if level:
            if self.mode_ in (self.OUT, self.OPEN_DRAIN):
                self._drive(int(bool(level[0])))
            return None
        if self.mode_ == self.OUT:
            return self.level
        if self.mode_ == self.OPEN_DRAIN and self.level == 0:
            return 0
        _board.pump()
        outside = _board.inputs.get(self.id)
        if outside is None:
            return 1 if self.pull_ == self.PULL_UP or self.mode_ == self.OPEN_DRAIN else 0
        return outside

    __call__ = value

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def toggle(self):
        self.value(1 - (self.level or 0))

    def irq(self, handler=None, trigger=3, wake=None):
        """Call handler(pin) on an edge. It runs between two lines of the firmware, as a soft interrupt
        does."""
        self.handler = handler
        self.trigger = trigger
        return self

    def edge(self, before):
        """The board says that the outside may have moved this pin."""
        now = self.value()
        if now != before and self.handler is not None:
            if self.trigger & (self.IRQ_RISING if now else self.IRQ_FALLING):
                _board.call(self.handler, self)

    def __repr__(self):
        return "Pin(%d)" % self.id


class PWM:
    """A PWM signal on a pin: 1 Hz–40 MHz, 16 channels; duty in 1023rds, 65535ths or ns. Default 5 kHz, 50 %.

    The real chip has eight frequencies at a time and rounds to what its dividers can do; here every value
    holds.
    """

    def __init__(self, dest, freq=-1, duty=-1, *, duty_u16=-1, duty_ns=-1, invert=0):
        pin = Pin(dest)
        if pin.id in INPUT_ONLY:
            raise ValueError("PWM not supported on pin %d" % pin.id)
        if pin.pwm is None and sum(1 for other in _board.pins.values() if other.pwm is not None) >= 16:
            raise ValueError("out of PWM channels:16")
        self._pin = pin
        old = pin.pwm
        self._freq = old._freq if old else 5000
        self._u16 = old._u16 if old else 32768
        self._told = old._told if old else None
        pin.pwm = self
        pin.level = None
        self.init(freq, duty, duty_u16=duty_u16, duty_ns=duty_ns)

    def init(self, freq=-1, duty=-1, *, duty_u16=-1, duty_ns=-1, invert=0):
        self._pin.pwm = self
        if freq != -1:
            self._set_freq(freq)
        if duty != -1:
            self._set(duty, 1023)
        elif duty_u16 != -1:
            self._set(duty_u16, 65535)
        elif duty_ns != -1:
            self._set_ns(duty_ns)
        self._tell()

    def deinit(self):
        """Stop; the pin is then driven by nobody until it is initialised again."""
        if self._pin.pwm is self:
            self._pin.pwm = None
            self._told = None
            self._pin.mode_ = None
            _board.record("pwm", pin=self._pin.id, freq=0, duty_u16=0)

    def _live(self):
        if self._pin.pwm is not self:
            raise RuntimeError("PWM not inited")

    def _tell(self):
        now = (self._freq, self._u16)
        if now != self._told:
            self._told = now
            _board.record("pwm", pin=self._pin.id, freq=self._freq, duty_u16=self._u16)

    def _set(self, duty, full):
        if not 0 <= duty <= full:
            raise ValueError("duty must be from 0 to %d" % full)
        self._u16 = (duty * 65535 + full // 2) // full

    def _set_freq(self, freq):
        if not 1 <= freq <= 40000000:
            raise ValueError("frequency must be from 1Hz to 40MHz")
        self._freq = int(freq)

    def _set_ns(self, ns):
        period = 1000000000 // self._freq
        if not 0 <= ns <= period:
            raise ValueError("duty_ns must be from 0 to %d" % period)
        self._u16 = ns * 65535 // period

    def freq(self, *freq):
        self._live()
        if not freq:
            return self._freq
        self._set_freq(freq[0])
        self._tell()

    def duty(self, *duty):
        self._live()
        if not duty:
            return (self._u16 * 1023 + 32767) // 65535
        self._set(duty[0], 1023)
        self._tell()

    def duty_u16(self, *duty):
        self._live()
        if not duty:
            return self._u16
        self._set(duty[0], 65535)
        self._tell()

    def duty_ns(self, *duty):
        self._live()
        if not duty:
            return 1000000000 // self._freq * self._u16 // 65535
        self._set_ns(duty[0])
        self._tell()


class Timer:
    """A timer of whole milliseconds: ids 0–3, and -1 as often as one likes. Its callback runs when the
    firmware sleeps, reads the clock or idles, never twice for periods that were missed."""

    ONE_SHOT = 0
    PERIODIC = 1
    _numbered = {}

    def __new__(cls, id, *_settings, **_named):
        if id == -1:
            return object.__new__(cls)
        if not 0 <= id <= 3:
            raise ValueError("invalid Timer number")
        if id not in cls._numbered:
            cls._numbered[id] = object.__new__(cls)
        return cls._numbered[id]

    def __init__(self, id, **settings):
        self.id = id
        if settings:
            self.init(**settings)

    def init(self, *, mode=PERIODIC, freq=-1, period=-1, callback=None, tick_hz=1000, hard=False):
        if hard:
            raise ValueError("hard Timers are not implemented")
        ms = int(1000 / freq) if freq != -1 else period * 1000 // tick_hz
        if ms < 1:
            raise ValueError("period too small")
        self.deinit()
        self._mode = mode
        self._ms = ms
        self._callback = callback
        self.due = _board.ticks_add(_board.uptime_ms(), ms)
        _board.timers.append(self)

    def deinit(self):
        if self in _board.timers:
            _board.timers.remove(self)

    def fire(self):
        """The board says that the time has come."""
        if self._mode == self.PERIODIC:
            now = _board.uptime_ms()
            late = _board.ticks_diff(now, self.due) // self._ms
            self.due = _board.ticks_add(self.due, self._ms * (late + 1))
        else:
            self.deinit()
        if self._callback is not None:
            _board.call(self._callback, self)


class WDT:
    """The watchdog. Once started it cannot be stopped; unfed for `timeout` ms it resets the board, whatever
    the firmware is doing. In unit tests, where no board was started, it only notes when it was fed last."""

    def __init__(self, id=0, timeout=5000):
        if id != 0:
            raise ValueError("invalid WDT id")
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        self._armed = _board.launched
        self.fed_us = _board.now_us()
        _board.record("wdt", timeout_ms=timeout)
        if self._armed:
            import _process

            _process.arm(timeout)
            self._kick = _process.feed

    def feed(self):
        if self._armed:
            self._kick()
        else:
            self.fed_us = _board.now_us()


class RTC:
    """The wall clock: it starts at 2000-01-01 after power-on and runs through every other reset."""

    def datetime(self, *date):
        """(year, month, day, weekday, hours, minutes, seconds, µs); the weekday is not looked at when
        setting."""
        if date:
            year, month, day, _, hour, minute, second, us = date[0]
            _board.set_rtc(_board.seconds_of(year, month, day, hour, minute, second) * 1000000 + us)
            return None
        seconds, us = divmod(_board.rtc_us(), 1000000)
        year, month, day, hour, minute, second, weekday, _ = _board.date_of(seconds)
        return (year, month, day, weekday, hour, minute, second, us)

    def init(self, date):
        self.datetime(date)

    def memory(self, *data):
        """Up to 2048 bytes that outlive a reset, though not a power cut. Without a started board: this
        process."""
        global _memory
        if data:
            if len(data[0]) > 2048:
                raise ValueError("buffer too long")
            _memory = bytes(data[0])
            if _board.folder is not None:
                with _board.host_open(_board.folder + "/rtc", "wb") as file:
                    file.write(_memory)
            return None
        if _board.folder is not None:
            try:
                with _board.host_open(_board.folder + "/rtc", "rb") as file:
                    return file.read()
            except OSError:
                return b""
        return _memory


_memory = b""
_hz = 160000000


def reset():
    """As the reset line or esp_restart(): flash and RTC stay, the rest starts anew. The cause is
    HARD_RESET."""
    _board.reset(HARD_RESET)


def soft_reset():
    _board.reset(SOFT_RESET)


def reset_cause():
    return _board.cause


def unique_id():
    return _board.uid


def freq(*hz):
    global _hz
    if not hz:
        return _hz
    if hz[0] not in (20000000, 40000000, 80000000, 160000000, 240000000):
        raise ValueError("frequency must be 20MHz, 40MHz, 80MHz, 160MHz or 240MHz")
    _hz = hz[0]


def idle():
    _board.sleep_ms(1)


def lightsleep(ms=0):
    _board.sleep_ms(ms)


def deepsleep(ms=0):
    """Sleep, then start anew with DEEPSLEEP_RESET. Without `ms` only the host can wake the board."""
    _board.record("deepsleep", ms=ms)
    _board.reset(DEEPSLEEP_RESET)


def disable_irq():
    state = _board.irq_off
    _board.irq_off = True
    return state


def enable_irq(state=False):
    _board.irq_off = state
    if not state:
        _board.pump()


def bitstream(pin, encoding, timing, data):
    """What `neopixel` sends: one frame, told as the hex of its bytes in wire order."""
    if encoding != 0:
        raise ValueError("invalid encoding")
    _board.record("neopixel", pin=pin.id, data=bytes(data).hex(), timing=list(timing))
