"""`network` of the simulated ESP32: a station that the host can take off the air, and an access point that is
only noted.

It must never carry data, and never let a password out. Like the real driver it joins again by itself after a
loss.
"""

import _board

STA_IF = 0
AP_IF = 1
STAT_IDLE = 1000
STAT_CONNECTING = 1001
STAT_GOT_IP = 1010
STAT_NO_AP_FOUND = 201
STAT_WRONG_PASSWORD = 202
STAT_BEACON_TIMEOUT = 200
STAT_ASSOC_FAIL = 203
STAT_HANDSHAKE_TIMEOUT = 204
AUTH_OPEN = 0
AUTH_WEP = 1
AUTH_WPA_PSK = 2
AUTH_WPA2_PSK = 3
AUTH_WPA_WPA2_PSK = 4
AUTH_WPA3_PSK = 6
JOIN_MS = 60  # a real one takes some seconds

_hostname = "mpy-esp32"
_country = "XX"


class WLAN:
    """The station or the access point; the same object each time, as the real driver has one of each."""

    IF_STA = STA_IF
    IF_AP = AP_IF
    SEC_OPEN = AUTH_OPEN
    SEC_WPA2 = AUTH_WPA2_PSK
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
            wlan._fault = 0
            wlan._settings = {"reconnects": -1, "channel": 6, "txpower": 20, "pm": 1}
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
            self._fault = 0
        elif not _board.wifi_up or _board.wifi_ssid not in (None, self._ssid):
            self._fault = STAT_NO_AP_FOUND
        elif not _board.wifi_auth:
            self._fault = STAT_WRONG_PASSWORD
        else:
            now = _board.uptime_ms()
            if self._since is None:
                self._since = now
            if not _board.associated and _board.ticks_diff(now, self._since) >= JOIN_MS:
                self._fault = 0
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

    def status(self, *what):
        if what:
            if what[0] == "rssi":
                if not _board.associated:
                    raise OSError("Wifi Not Connected")
                return -55
            if what[0] == "stations":
                return []
            raise ValueError("unknown status param")
        if not self._station:
            return None
        if self.isconnected():
            return STAT_GOT_IP
        if self._fault == STAT_WRONG_PASSWORD:
            return STAT_WRONG_PASSWORD
        if self._fault and self._settings["reconnects"] != -1:
            return self._fault
        return STAT_CONNECTING if self._wanted else STAT_IDLE

    def ifconfig(self, *addresses):
        if addresses:
            if addresses[0] != "dhcp":
                self._address = tuple(addresses[0])
            return None
        if self._station and not self.isconnected():
            return ("0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0")
        return self._address

    def ipconfig(self, *what, **settings):
        if settings:
            return None
        address = self.ifconfig()
        values = {"addr4": address[:2], "gw4": address[2], "dhcp4": self._station, "has_dhcp4": self._station}
        if what[0] not in values:
            raise ValueError("unknown config param")
        return values[what[0]]

    def config(self, *what, **settings):
        for name, value in settings.items():
            if name in ("ssid", "essid"):
                self._ssid = value.decode() if isinstance(value, bytes) else value
            elif name in ("key", "password"):
                continue  # write-only on the real driver too
            elif name == "hostname":
                hostname(value)
            else:
                self._settings[name] = value
        if not what:
            return None
        name = what[0]
        if name == "mac":
            return _board.uid if self._station else _board.uid[:5] + bytes([(_board.uid[5] + 1) & 0xFF])
        if name in ("ssid", "essid"):
            return self._ssid
        if name == "hostname":
            return _hostname
        if name not in self._settings:
            raise ValueError("unknown config param")
        return self._settings[name]

    def scan(self):
        """[(ssid, bssid, channel, RSSI, security, hidden)]"""
        if not self._active:
            raise OSError("STA must be active")
        _board.sleep_ms(20)
        if not _board.wifi_up:
            return []
        name = (_board.wifi_ssid or "simulated").encode()
        return [(name, b"\x02\x00\x00\x00\x00\xfe", 6, -55, AUTH_WPA2_PSK, False)]


def hostname(*name):
    global _hostname
    if name:
        _hostname = name[0]
        return None
    return _hostname


def country(*code):
    global _country
    if code:
        _country = code[0]
        return None
    return _country
