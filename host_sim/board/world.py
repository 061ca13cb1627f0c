"""What a virtual board finds around it when it starts: radio, time, buttons, a planned power cut.

It must never know the board's process: the supervisor tells a running board of changes.
"""

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any

UNIX_2000 = 946684800
SOFT_RESET = 5


@dataclass
class World:
    """Changed in the board's thread only. `inputs` are the levels that the outside puts on pins."""

    name: str
    slots: int = 1
    ticks_ms: int = 0
    wifi_up: bool = True
    wifi_auth: bool = True
    wifi_ssid: str | None = None
    ntp_up: bool = True
    ntp_skew_s: int = 0
    inputs: dict[int, int] = field(default_factory=dict)
    cut: tuple[int, str] | None = None  # for the board's next start
    planned: tuple[int, str] | None = None  # the same, or told to a running board, until it has come
    wdt_ms: int = 0  # of the watchdog that the firmware started
    _rtc: tuple[int, float] = field(default_factory=lambda: (0, time.monotonic()))

    @property
    def uid(self) -> bytes:
        """The board's MAC address: locally administered, and the same for the same name."""
        return b"\x02" + hashlib.sha256(self.name.encode()).digest()[:5]

    def power_on(self) -> None:
        """Without power the RTC forgot the time and the watchdog is off."""
        self.wdt_ms = 0
        self.rtc_is(0)

    def rtc_is(self, us: int) -> None:
        self._rtc = (us, time.monotonic())

    def rtc_us(self) -> int:
        """The RTC now, in µs since 2000-01-01: it runs on through every reset."""
        us, at = self._rtc
        return us + int((time.monotonic() - at) * 1e6)

    def in_reach(self, ssid: str) -> bool:
        """Whether a station that wants this network is on the air."""
        return self.wifi_up and self.wifi_auth and self.wifi_ssid in (None, ssid)

    def boot_message(self, cause: int) -> dict[str, Any]:
        """For modules/_board.py's configure(). The planned power cut is handed over with it."""
        cut, self.cut = self.cut, None
        return {
            "cause": cause,
            "uid": self.uid.hex(),
            "slots": self.slots,
            "wifi": [self.wifi_up, self.wifi_auth, self.wifi_ssid],
            "ntp": [self.ntp_up, self.ntp_skew_s],
            "rtc_us": self.rtc_us(),
            "ticks_ms": self.ticks_ms,
            "inputs": list(self.inputs.items()),
            "cut": cut,
            "wdt_ms": self.wdt_ms if cause == SOFT_RESET else 0,
        }
