"""Reads and checks hxtp.json. A mistake ends in one sentence that says what is wrong and what to write.

This module must never put the secret or the Wi-Fi password into a message.
"""

import json
from binascii import unhexlify

FLAGS = ("allow_unencrypted_mqtt", "accept_unsigned_action", "serve_cloud_without_hello_ack")
_KNOWN = FLAGS + (
    "tenant_id",
    "device_id",
    "secret",
    "mqtt",
    "password_expiry",
    "ca",
    "wifi",
    "board",
    "firmware_version",
    "ntp",
    "watchdog",
)


class SettingsError(ValueError):
    """What is wrong with the settings and what to do, as one sentence.

    A ValueError, since a part that raises it has loaded this module anew, whose class nobody else knows.
    """


class Settings:
    """The members of hxtp.json as attributes, checked.

    `secret` is bytes; instead of `mqtt` there are `host` and `port`; `ca` is PEM as bytes, None for plain
    MQTT; instead of `wifi` there are `ssid`, None where the maker's own code brings up the network, and
    `password`; `board` is the board data (dict), `firmware_version` None by default, `watchdog` seconds.
    """

    # For whoever reads or checks types; this makes nothing on the device.
    tenant_id: str
    device_id: str
    secret: bytes
    host: str
    port: int
    password_expiry: int
    ca: "bytes | None"
    ssid: "str | None"
    password: str
    board: dict
    firmware_version: "str | None"
    ntp: str
    watchdog: int
    allow_unencrypted_mqtt: bool
    accept_unsigned_action: bool
    serve_cloud_without_hello_ack: bool


def load(path="hxtp.json"):
    """Settings from flash. Raises SettingsError."""
    return check(_json(path))


def _need(good, name, must):
    if not good:
        raise SettingsError('"%s" must be %s' % (name, must))


def _only(data, known, where):
    for name in sorted(data):
        if name not in known:
            raise SettingsError('"%s"%s is no setting: correct its spelling or remove it' % (name, where))


def _text(value, most):
    return isinstance(value, str) and 0 < len(value) <= most


def _number(value, low, high):
    return type(value) is int and low <= value <= high


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        message = "%s is not on the board: copy it there with: mpremote cp %s :%s" % (path, path, path)
        raise SettingsError(message) from None


def _json(path):
    data = _read(path)
    if data[:3] == b"\xef\xbb\xbf":  # a byte-order mark, as Windows' editors put it
        data = data[3:]
    try:
        value = json.loads(data)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise SettingsError("%s is no JSON object: look for a missing comma, quote or bracket" % path)
    return value


def check(data):
    """Settings from the dict that hxtp.json holds. Raises SettingsError."""
    get = data.get
    settings = Settings()
    _only(data, _KNOWN, "")
    for name in FLAGS:
        value = get(name, False)
        _need(value is True or value is False, name, "true or false, without quotes")
        setattr(settings, name, value)
    for name in ("tenant_id", "device_id"):
        value = get(name)
        good = _text(value, 36) and not [c for c in value if not " " < c < "\x7f" or c in "/+#|"]
        _need(good, name, "as the cloud gave it: 1 to 36 letters, digits and signs, but no space / + # |")
        setattr(settings, name, value)
    secret = get("secret")
    good = _text(secret, 64) and len(secret) == 64 and not secret.strip("0123456789abcdefABCDEF")
    _need(good, "secret", "the 64 hexadecimal digits that came with the device id")
    settings.secret = unhexlify(secret)
    _mqtt(get, settings)
    expiry = settings.password_expiry = get("password_expiry")
    _need(_number(expiry, 1, 99999999999), "password_expiry", "seconds since 1970, as the cloud gave them")
    wifi = get("wifi", {})
    _need(isinstance(wifi, dict), "wifi", '{"ssid": "...", "password": "..."}')
    _only(wifi, ("ssid", "password"), ' in "wifi"')
    ssid = settings.ssid = wifi.get("ssid")
    _need(_text(ssid, 32) or not wifi, "ssid", "the name of your Wi-Fi network")
    password = settings.password = wifi.get("password", "")
    good = password == "" or (_text(password, 64) and len(password) > 7)
    _need(good, "password", 'the Wi-Fi password of 8 to 63 characters, or "" for an open network')
    board = get("board")
    _need(_text(board, 256), "board", 'the name of a file, like "boards/demo-light.json"')
    settings.board = _json(board)
    _only(settings.board, ("device_type", "about", "status_led", "parts"), " in " + board)
    _need(_text(settings.board.get("device_type"), 64), "device_type", "in %s: what this device is" % board)
    version = settings.firmware_version = get("firmware_version")
    _need(version is None or _text(version, 32), "firmware_version", 'like "1.0.0"')
    ntp = settings.ntp = get("ntp", "pool.ntp.org")
    _need(ntp == "" or _text(ntp, 64), "ntp", 'the name of a time server, or "" for none')
    settings.watchdog = get("watchdog", 30)
    _need(_number(settings.watchdog, 0, 3600), "watchdog", "seconds from 1 to 3600, or 0 for none")
    return settings


def _mqtt(get, settings):
    url = get("mqtt")
    _need(_text(url, 256), "mqtt", 'like "mqtts://broker.example:8883"')
    scheme, _, rest = url.partition("://")
    host, _, port = rest.partition(":")
    tls = scheme == "mqtts"
    if tls and not port:
        port = "8883"
    elif not port:
        port = "1883"
    good = scheme in ("mqtt", "mqtts") and host and not [c for c in rest if c in "/@?[ "]
    good = good and not port.strip("0123456789") and 0 < int(port) < 65536
    _need(good, "mqtt", 'like "mqtts://broker.example:8883", without user, password or path')
    _need(
        tls or settings.allow_unencrypted_mqtt,
        "mqtt",
        'like "mqtts://broker.example:8883", or set "allow_unencrypted_mqtt": true and let anyone listen',
    )
    settings.host = host
    settings.port = int(port)
    settings.ca = None
    if tls:
        ca = get("ca")
        _need(_text(ca, 8192), "ca", 'the name of the file with the CA certificate, like "ca.pem"')
        settings.ca = ca.encode() if ca.startswith("-----") else _read(ca)
        good = settings.ca.find(b"-----BEGIN CERTIFICATE-----") >= 0
        _need(good, "ca", "a CA certificate in PEM form, which begins -----BEGIN CERTIFICATE-----")
