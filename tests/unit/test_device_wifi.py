"""Joining Wi-Fi without waiting: 30 s, then the reason."""

from check import raises
from hxtp_device.wifi import Wifi

KEY = "a key that nobody may see"


class Wlan:
    def __init__(self):
        self.joined = False
        self.on = False
        self.calls = []
        self.status_ = 1001

    def active(self, on):
        self.on = on

    def isconnected(self):
        return self.joined

    def connect(self, ssid, key):
        assert self.on
        self.calls.append((ssid, key))

    def status(self):
        return self.status_


class Network:
    STA_IF = 0
    STAT_NO_AP_FOUND = 201
    STAT_WRONG_PASSWORD = 202

    def __init__(self):
        self.wlan = Wlan()

    def WLAN(self, interface):
        assert interface == self.STA_IF
        return self.wlan


def make():
    network = Network()
    return network.wlan, Wifi(network, "Home", KEY)


def test_it_joins_with_name_and_key_and_does_not_wait():
    wlan, wifi = make()
    assert wifi.poll(0) is False and wifi.poll(10) is False and not wifi.up()
    assert wlan.calls == [("Home", KEY)]
    wlan.joined = True
    assert wifi.poll(20) is True and wifi.up()


def test_a_network_that_is_there_already_is_not_joined_again():
    wlan, wifi = make()
    wlan.joined = True
    assert wifi.poll(0) is True
    assert wlan.calls == []


def test_after_thirty_seconds_it_says_why_and_begins_anew():
    wlan, wifi = make()
    wlan.status_ = 202
    wifi.poll(1000)
    assert wifi.poll(30999) is False
    error = raises(OSError, wifi.poll, 31000)
    assert "WRONG_PASSWORD" in str(error) and "Home" in str(error) and KEY not in str(error)
    assert wifi.poll(40000) is False
    assert len(wlan.calls) == 2
    assert wifi.poll(69999) is False
    raises(OSError, wifi.poll, 70000)


def test_a_status_without_a_name_is_told_as_its_number():
    wlan, wifi = make()
    wlan.status_ = 4711
    assert wifi.status() == "4711"


def test_after_a_loss_it_joins_again_with_time_of_its_own():
    wlan, wifi = make()
    wifi.poll(0)
    wlan.joined = True
    wifi.poll(5)
    wlan.joined = False
    assert not wifi.up()
    assert wifi.poll(1000000) is False
    assert wifi.poll(1029999) is False
    raises(OSError, wifi.poll, 1030000)


def test_without_a_name_the_network_is_the_makers():
    network = Network()
    wifi = Wifi(network)
    assert wifi.up() and wifi.poll(0) is True
    assert network.wlan.calls == []
