"""`network` of the simulated ESP32: a station that the host can take off the air, and an access point that is
only noted.

It must never carry data, and never let a password out. Like the real driver it joins again by itself after a
loss.
"""

import _board

STA_IF = 0
AP_IF = 1
_JOIN_MS = 60  # a real one takes some seconds


class WLAN:
    """The station or the access point; the same object each time, as the real driver has one of each."""

    IF_STA = STA_IF
    IF_AP = AP_IF
    SEC_OPEN = 0
    SEC_WPA2 = 3
    PM_NONE = 0
    PM_PERFORMANCE = 1
    PM_POWERSAVE = 2
    _both = {}

    def __new__(cls, interface_id=STA_IF):
        if interface_id not in (STA_IF, AP_IF):
            raise ValueError("invalid WLAN interface identifier")
        if interface_id not in cls._both:
            wlan = object.__new__(cls)
            wlan._station = interface_id == STA_IF
            wlan._active = False
            wlan._wanted = False  # connect() was called, disconnect() was not
            wlan._ssid = ""
            wlan._since = None  # ticks since when everything needed to join is there
            wlan._fault = None  # why it cannot join, as the numbers of its status() are named
            wlan._settings = {}
            wlan._address = ("192.168.4.17", "255.255.255.0", "192.168.4.1", "192.168.4.1")
            if not wlan._station:
                wlan._ssid = "ESP_" + _board.uid.hex()[6:].upper()
                wlan._address = ("192.168.4.1", "255.255.255.0", "192.168.4.1", "0.0.0.0")
            cls._both[interface_id] = wlan
            if wlan._station:
                _board.hooks.append(wlan._follow)
        return cls._both[interface_id]

    def __init__(self, interface_id=STA_IF):
        pass

    def active(self, *on):
        if on:
            changed = self._active != bool(on[0])
            self._active = bool(on[0])
            if not self._station:
                if changed:
                    _board.record("ap", ssid=self._ssid if self._active else None)
            elif not self._active:
                self._wanted = False
            self._follow()
        return self._active

    def connect(self, ssid=None, key=None, *, bssid=None):
        """Start joining. The key itself is not looked at: the host says whether the access point takes it.

        OSError while the driver is still trying, as it does for ever after a connect(): disconnect() first.
        """
        if not self._station:
            raise OSError("STA required")
        if not self._active:
            raise OSError("Wifi Not Started")
        if self._wanted and not _board.associated:
            raise OSError("Wifi Internal State Error")
        if ssid is not None:
            self._ssid = ssid.decode() if isinstance(ssid, bytes) else ssid
        self._wanted = True
        self._since = None
        self._follow()

    def disconnect(self):
        self._wanted = False
        self._follow()

    def _follow(self):
        """Join or leave as the air allows; called by every pump."""
        if not self._active or not self._wanted:
            self._fault = None
        elif not _board.wifi_up or _board.wifi_ssid not in (None, self._ssid):
            self._fault = "NO_AP_FOUND"
        elif not _board.wifi_auth:
            self._fault = "WRONG_PASSWORD"
        else:
            now = _board.uptime_ms()
            if self._since is None:
                self._since = now
            if not _board.associated and _board.ticks_diff(now, self._since) >= _JOIN_MS:
                self._fault = None
                _board.associated = True
                _board.record("wifi", state="connected", ssid=self._ssid)
            return
        self._since = None
        if _board.associated:
            _board.associated = False
            _board.record("wifi", state="lost" if self._fault else "left")

    def isconnected(self):
        _board.pump()
        self._follow()
        return _board.associated if self._station else False

    def __getattr__(self, name):
        function = _board.later("network", "_network", "wlan_" + name)
        return lambda *given, **named: function(self, *given, **named)


def __getattr__(name):
    """What few programs use is loaded with the first look at it."""
    return _board.later("network", "_network", name)
