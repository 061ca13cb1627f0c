"""hxtp.json: what is taken, and one clear sentence for every mistake."""

from check import ROOT, cases, raises
from hxtp_device import settings as settings_module
from hxtp_device.settings import SettingsError, check, load

SECRET = "ab" * 32
PASSWORD = "correct horse"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
BOARD = ROOT + "/firmware/boards/demo-light.json"


def given(**changes):
    data = {
        "tenant_id": "tenant-1",
        "device_id": "0123456789abcdef0123456789abcdef",
        "secret": SECRET,
        "mqtt": "mqtts://broker.example:8884",
        "password_expiry": 1900000000,
        "ca": PEM,
        "wifi": {"ssid": "Home", "password": PASSWORD},
        "board": BOARD,
    }
    for name in changes:
        if changes[name] is None:
            data.pop(name)
        else:
            data[name] = changes[name]
    return data


def with_board(data, judge):
    """judge(settings' keywords) while the board's file holds `data`; WebAssembly can write no files."""
    read = settings_module._read
    settings_module._read = lambda path: data
    try:
        return judge(board="boards/mine.json")
    finally:
        settings_module._read = read


def mistake(**changes):
    text = str(raises(SettingsError, check, given(**changes)).args[0])
    assert SECRET not in text and PASSWORD not in text
    assert "\n" not in text and len(text) < 500
    return text


def test_good_settings_are_taken_as_they_are():
    settings = check(given())
    assert settings.tenant_id == "tenant-1"
    assert settings.device_id == "0123456789abcdef0123456789abcdef"
    assert settings.secret == b"\xab" * 32
    assert (settings.host, settings.port) == ("broker.example", 8884)
    assert settings.ca == PEM.encode()
    assert (settings.ssid, settings.password) == ("Home", PASSWORD)
    assert settings.password_expiry == 1900000000
    assert settings.board["device_type"] == "demo-light"
    assert settings.firmware_version is None
    assert settings.ntp == "pool.ntp.org"
    assert settings.watchdog == 30


def test_everything_risky_is_off_unless_it_is_asked_for():
    for name in ("allow_unencrypted_mqtt", "accept_unsigned_action", "serve_cloud_without_hello_ack"):
        assert getattr(check(given()), name) is False
        assert getattr(check(given(**{name: True})), name) is True
        for value in (1, "true", "yes", [], {}):
            assert name in mistake(**{name: value})


def test_the_port_has_the_usual_default():
    assert check(given(mqtt="mqtts://192.168.1.5")).port == 8883
    settings = check(given(mqtt="mqtt://192.168.1.5", allow_unencrypted_mqtt=True, ca=None))
    assert settings.port == 1883 and settings.ca is None


def test_plain_mqtt_takes_the_setting_that_names_the_risk():
    assert "allow_unencrypted_mqtt" in mistake(mqtt="mqtt://broker.example:1883")


def test_the_network_can_be_the_makers_own():
    settings = check(given(wifi=None))
    assert settings.ssid is None


def test_an_open_network_needs_no_password():
    assert check(given(wifi={"ssid": "Guests"})).password == ""
    assert check(given(wifi={"ssid": "Guests", "password": ""})).password == ""


def test_every_mistake_is_named():
    def judge(name, value):
        assert name in mistake(**{name: value})

    cases(
        [
            ("tenant_id", None),
            ("tenant_id", ""),
            ("tenant_id", 7),
            ("tenant_id", "a" * 37),
            ("tenant_id", "a/b"),
            ("tenant_id", "a+b"),
            ("tenant_id", "a#"),
            ("tenant_id", "a|b"),
            ("tenant_id", "a b"),
            ("tenant_id", "\u00e9"),
            ("device_id", None),
            ("device_id", ["x"]),
            ("device_id", "a\nb"),
            ("secret", None),
            ("secret", "ab" * 31),
            ("secret", "xy" * 32),
            ("secret", 5),
            ("mqtt", None),
            ("mqtt", ""),
            ("mqtt", 8883),
            ("mqtt", "broker.example:8883"),
            ("mqtt", "http://broker.example"),
            ("mqtt", "mqtts://"),
            ("mqtt", "mqtts://:8883"),
            ("mqtt", "mqtts://broker.example:0"),
            ("mqtt", "mqtts://broker.example:65536"),
            ("mqtt", "mqtts://broker.example:port"),
            ("mqtt", "mqtts://broker.example/path"),
            ("mqtt", "mqtts://user:word@broker.example"),
            ("mqtt", "mqtts://bro ker.example"),
            ("password_expiry", None),
            ("password_expiry", "1900000000"),
            ("password_expiry", 0),
            ("password_expiry", True),
            ("password_expiry", 1900000000000),
            ("ca", None),
            ("ca", ""),
            ("ca", 1),
            ("ca", "-----BEGIN PUBLIC KEY-----\nMIIB\n"),
            ("wifi", "Home"),
            ("wifi", []),
            ("board", None),
            ("board", 1),
            ("firmware_version", 1),
            ("firmware_version", ""),
            ("ntp", 1),
            ("ntp", False),
            ("watchdog", -1),
            ("watchdog", "30"),
            ("watchdog", 3601),
        ],
        judge,
    )


def test_mistakes_in_the_wifi_are_named_and_the_password_is_not_told():
    assert "ssid" in mistake(wifi={"password": PASSWORD})
    assert "ssid" in mistake(wifi={"ssid": "", "password": PASSWORD})
    assert "ssid" in mistake(wifi={"ssid": "x" * 33, "password": PASSWORD})
    for password in ("short", "x" * 65, 12345678):
        text = mistake(wifi={"ssid": "Home", "password": password})
        assert "password" in text and str(password) not in text


def test_a_misspelt_setting_is_named():
    assert "allow_unencripted_mqtt" in mistake(allow_unencripted_mqtt=True)
    text = mistake(wifi={"ssid": "Home", "pasword": PASSWORD})
    assert '"pasword" in "wifi"' in text
    text = with_board(b'{"device_type": "lamp", "part": []}', mistake)
    assert '"part" in boards/mine.json' in text


def test_a_byte_order_mark_of_an_editor_is_no_mistake():
    board = b'\xef\xbb\xbf{"device_type": "lamp", "parts": []}'
    assert with_board(board, lambda **changes: check(given(**changes))).board["device_type"] == "lamp"


def test_a_missing_file_is_named_with_the_command_that_copies_it():
    text = str(raises(SettingsError, load, "nowhere/hxtp.json").args[0])
    assert "nowhere/hxtp.json" in text and "mpremote cp" in text
    assert "nowhere.pem" in mistake(ca="nowhere.pem")
    assert "boards/none.json" in mistake(board="boards/none.json")


def test_a_file_that_is_no_json_object_is_named():
    path = ROOT + "/firmware/main.py"
    assert path in str(raises(SettingsError, load, path).args[0])
    assert path in mistake(board=path)


def test_settings_do_not_print_the_secret():
    text = repr(check(given()))
    assert SECRET not in text and PASSWORD not in text
