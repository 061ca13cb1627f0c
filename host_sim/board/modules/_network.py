"""What few programs ask of `network`: names of states and ciphers, addresses, settings, a scan.

It must never be imported but by `network`, which loads it when something in it is asked for: `wlan_scan` as
the method `scan` of a WLAN.
"""

import _board

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

_hostname = "mpy-esp32"
_country = "XX"


def wlan_status(wlan, *what):
    if what:
        if what[0] == "rssi":
            if not _board.associated:
                raise OSError("Wifi Not Connected")
            return -55
        if what[0] == "stations":
            return []
        raise ValueError("unknown status param")
    if not wlan._station:
        return None
    if wlan.isconnected():
        word = "GOT_IP"
    elif wlan._fault and (wlan._fault == "WRONG_PASSWORD" or wlan._settings.get("reconnects", -1) != -1):
        word = wlan._fault
    else:
        word = "CONNECTING" if wlan._wanted else "IDLE"
    return globals()["STAT_" + word]


def wlan_ifconfig(wlan, *addresses):
    if addresses:
        if addresses[0] != "dhcp":
            wlan._address = tuple(addresses[0])
        return None
    if wlan._station and not wlan.isconnected():
        return ("0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0")
    return wlan._address


def wlan_ipconfig(wlan, *what, **settings):
    if settings:
        return None
    address = wlan.ifconfig()
    values = {"addr4": address[:2], "gw4": address[2], "dhcp4": wlan._station, "has_dhcp4": wlan._station}
    if what[0] not in values:
        raise ValueError("unknown config param")
    return values[what[0]]


def wlan_config(wlan, *what, **settings):
    for name, value in settings.items():
        if name in ("ssid", "essid"):
            wlan._ssid = value.decode() if isinstance(value, bytes) else value
        elif name in ("key", "password"):
            continue  # write-only on the real driver too
        elif name == "hostname":
            hostname(value)
        else:
            wlan._settings[name] = value
    if not what:
        return None
    name = what[0]
    if name == "mac":
        return _board.uid if wlan._station else _board.uid[:5] + bytes([(_board.uid[5] + 1) & 0xFF])
    if name in ("ssid", "essid"):
        return wlan._ssid
    if name == "hostname":
        return _hostname
    settings = {"reconnects": -1, "channel": 6, "txpower": 20, "pm": 1}
    settings.update(wlan._settings)
    if name not in settings:
        raise ValueError("unknown config param")
    return settings[name]


def wlan_scan(wlan):
    """[(ssid, bssid, channel, RSSI, security, hidden)]"""
    if not wlan._active:
        raise OSError("STA must be active")
    _board.sleep_ms(20)
    if not _board.wifi_up:
        return []
    name = (_board.wifi_ssid or "simulated").encode()
    return [(name, b"\x02\x00\x00\x00\x00\xfe", 6, -55, wlan.SEC_WPA2, False)]


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
