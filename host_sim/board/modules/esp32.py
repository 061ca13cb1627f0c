"""`esp32` of the simulated board: NVS, RMT (sending, as stock) and Partition.

It must never accept what would end a real board's run or send something else than asked; where stock is
silent about such a thing and the simulation is not, the docstring says so.
"""

import _board
import _flash
from machine import Pin

ESP_ERR_NVS_NOT_FOUND = -0x1102
ESP_ERR_NVS_TYPE_MISMATCH = -0x1103
ESP_ERR_NVS_NOT_ENOUGH_SPACE = -0x1105
ESP_ERR_NVS_INVALID_NAME = -0x1106
ESP_ERR_NVS_KEY_TOO_LONG = -0x1109
ESP_ERR_NVS_INVALID_LENGTH = -0x110C
_NAMES = {
    ESP_ERR_NVS_NOT_FOUND: "ESP_ERR_NVS_NOT_FOUND",
    ESP_ERR_NVS_TYPE_MISMATCH: "ESP_ERR_NVS_TYPE_MISMATCH",
    ESP_ERR_NVS_NOT_ENOUGH_SPACE: "ESP_ERR_NVS_NOT_ENOUGH_SPACE",
    ESP_ERR_NVS_INVALID_NAME: "ESP_ERR_NVS_INVALID_NAME",
    ESP_ERR_NVS_KEY_TOO_LONG: "ESP_ERR_NVS_KEY_TOO_LONG",
    ESP_ERR_NVS_INVALID_LENGTH: "ESP_ERR_NVS_INVALID_LENGTH",
}


def _error(code):
    return OSError(code, _NAMES[code])


class NVS:
    """One namespace of the non-volatile storage. Nothing is safe before commit(); a commit is whole or not at
    all.

    Names are 1–15 characters. Stock ESP-IDF may write a value before the commit; here it is never in flash
    before.
    """

    def __init__(self, namespace):
        if not namespace or len(namespace) > 15:
            raise _error(ESP_ERR_NVS_INVALID_NAME)
        self._space = namespace

    def _name(self, key):
        if not key:
            raise _error(ESP_ERR_NVS_INVALID_NAME)
        if len(key) > 15:
            raise _error(ESP_ERR_NVS_KEY_TOO_LONG)
        return self._space + "\0" + key

    def _get(self, key, kind):
        held = _flash.nvs.get(self._name(key))
        if held is None:
            raise _error(ESP_ERR_NVS_NOT_FOUND)
        if held[0] != kind:
            raise _error(ESP_ERR_NVS_TYPE_MISMATCH)
        return held[1]

    def _put(self, key, kind, value):
        if not _flash.nvs.put(self._name(key), kind, value):
            raise _error(ESP_ERR_NVS_NOT_ENOUGH_SPACE)

    def set_i32(self, key, value):
        """A signed 32-bit integer; like stock, a larger one is cut to its low 32 bits."""
        self._put(key, _flash.I32, ((value + 0x80000000) & 0xFFFFFFFF) - 0x80000000)

    def get_i32(self, key):
        return self._get(key, _flash.I32)

    def set_blob(self, key, value):
        self._put(key, _flash.BLOB, value.encode() if isinstance(value, str) else bytes(value))

    def get_blob(self, key, buffer):
        """Copy the value into `buffer`; how many bytes it has."""
        value = self._get(key, _flash.BLOB)
        if len(value) > len(buffer):
            raise _error(ESP_ERR_NVS_INVALID_LENGTH)
        buffer[: len(value)] = value
        return len(value)

    def erase_key(self, key):
        if _flash.nvs.get(self._name(key)) is None:
            raise _error(ESP_ERR_NVS_NOT_FOUND)
        self._put(key, _flash.ERASED, b"")

    def commit(self):
        _flash.nvs.commit(self._space)


class RMT:
    """Pulses on a pin, timed by hardware: sent while the firmware goes on. Channels 0–7.

    A tick is `clock_div` / 80 MHz, or 1 / `resolution_hz` s; default 100 ns. `tx_carrier` is (Hz, duty in
    percent, level that it modulates). Stock cuts a duration to 15 bits and ends the frame at a 0 without a
    word; that would be another frame than asked for, so here it is a ValueError.
    """

    PULSE_MAX = 32767
    _CLOCK_HZ = 80000000

    def __init__(
        self,
        channel,
        *,
        pin=None,
        resolution_hz=None,
        clock_div=None,
        idle_level=False,
        tx_carrier=None,
        num_symbols=64,
    ):
        if pin is None:
            raise TypeError("'pin' argument required")
        if not 0 <= channel <= 7:
            raise ValueError("invalid channel")
        if resolution_hz is not None and clock_div is not None:
            raise ValueError("resolution_hz and clock_div are mutually exclusive")
        if clock_div is not None and not 1 <= clock_div <= 255:
            raise ValueError("clock_div must be between 1 and 255")
        if resolution_hz is not None and resolution_hz <= 0:
            raise ValueError("resolution_hz must be positive")
        if tx_carrier is not None:
            hz, duty, level = tx_carrier
            if hz <= 0:
                raise ValueError("tx_carrier frequency must be >0")
            if not 0 <= duty <= 100:
                raise ValueError("tx_carrier duty must be 0..100")
            tx_carrier = [hz, duty, int(bool(level))]
        pin = Pin(pin)
        if pin.id in (34, 35, 36, 37, 38, 39):
            raise ValueError("pin can only be input")
        self._pin = pin.id
        self._channel = channel
        self._hz = resolution_hz or self._CLOCK_HZ // (clock_div or 8)
        self._carrier = tx_carrier
        self._idle = int(bool(idle_level))
        self._loop = False
        self._until = None  # now_us() when what is being sent ends

    @staticmethod
    def source_freq():
        return 80000000

    def clock_div(self):
        return self._CLOCK_HZ // self._hz

    def _live(self):
        if self._pin is None:
            raise OSError("already deinitialized")

    def _busy(self):
        return self._until is not None and (self._loop or _board.now_us() < self._until)

    def active(self, *on):
        if on and not on[0]:
            self._until = None
        return self._busy()

    def loop(self, on):
        """Send the next frame over and over, until loop(False)."""
        self._live()
        if self._loop and not on:
            self._until = None
        self._loop = bool(on)

    def wait_done(self, *, timeout=0):
        """Wait up to `timeout` ms; True if nothing is being sent (any more)."""
        self._live()
        end = _board.now_us() + timeout * 1000
        while self._busy():
            left = end - _board.now_us()
            if left <= 0:
                return False
            _board.sleep_ms(max(1, min(left, self._until - _board.now_us()) // 1000))
        return True

    def write_pulses(self, duration, data=True):
        """Send. Durations in ticks with the first level in `data` and alternating after it; or one duration
        and a sequence of levels; or a sequence of each. Waits for the frame before it, not for this one."""
        self._live()
        levels = None
        if isinstance(data, (list, tuple)):
            levels = [int(bool(level)) for level in data]
            if isinstance(duration, int):
                duration = [duration] * len(levels)
            elif len(duration) != len(levels):
                raise ValueError("duration and data must have same length")
        if len(duration) == 0:
            raise ValueError("No pulses")
        if self._loop and len(duration) > 126:
            raise ValueError("Too many pulses for loop")
        ticks = 0
        for pulse in duration:
            if not 1 <= pulse <= self.PULSE_MAX:
                raise ValueError("pulse must be from 1 to 32767 ticks")
            ticks += pulse
        while self._busy() and not self._loop:
            self.wait_done(timeout=1000)
        self._until = _board.now_us() + ticks * 1000 // (self._hz // 1000 or 1)
        _board.record(
            "rmt",
            pin=self._pin,
            channel=self._channel,
            tick_hz=self._hz,
            carrier=self._carrier,
            idle=self._idle,
            loop=self._loop,
            level=int(bool(data)) if levels is None else levels,
            # A copy would be in the firmware's heap, and here it is told at once.
            pulses=duration if _board.MICROPYTHON else list(duration),
        )

    def deinit(self):
        self._pin = None
        self._until = None


class Partition:
    """The layout of the flash, as far as an application asks: which slot runs, and whether there is another.

    Images cannot be written or booted here: set_boot() and the block calls are not simulated.
    """

    BOOT = 0
    RUNNING = 1
    TYPE_APP = 0
    TYPE_DATA = 1

    def __init__(self, id):
        if id in (self.BOOT, self.RUNNING):
            id = "factory" if _board.slots == 1 else "ota_0"
        for row in _layout():
            if row[4] == id:
                self._row = row
                return
        raise OSError(2)

    @classmethod
    def find(cls, type=TYPE_APP, subtype=0xFF, label=None, block_size=4096):
        found = []
        for row in _layout():
            if row[0] == type and subtype in (0xFF, row[1]) and label in (None, row[4]):
                found.append(cls(row[4]))
        return found

    def info(self):
        """(type, subtype, address, size, label, encrypted)"""
        return self._row

    def get_next_update(self):
        """The slot for the next image; OSError(ENOENT) where there is only one, as on most stock images."""
        if _board.slots == 1:
            raise OSError(2)
        return Partition("ota_1" if self._row[4] == "ota_0" else "ota_0")

    @staticmethod
    def mark_app_valid_cancel_rollback():
        """Keep the running image. With one slot there is nothing to roll back, and nothing happens."""
        _board.record("app_valid")


def _layout():
    if _board.slots == 1:
        apps = ((0, 0, 0x10000, 0x1F0000, "factory", False),)
    else:
        apps = ((0, 16, 0x10000, 0x180000, "ota_0", False), (0, 17, 0x190000, 0x180000, "ota_1", False))
    data = ((1, 2, 0x9000, 0x6000, "nvs", False), (1, 1, 0xF000, 0x1000, "phy_init", False))
    return apps + data


def mcu_temperature():
    return 40


def wake_on_ext0(pin=None, level=None):
    """Waking by a pin is not simulated; the host wakes a sleeping board."""
