"""The kit over real MQTT: devices behind its own broker and another's, a cloud, mistakes."""

import json
import os
import secrets
import socket
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from host_sim.broker.authority import User, UserAuthority
from host_sim.broker.server import ThreadedBroker
from host_sim.cloud.server import Cloud
from host_sim.cloud.settings import load
from host_sim.cloud_client import cli as client
from host_sim.device import SimDevice
from host_sim.device_mqtt import MqttDevice

TENANT, DEVICE, SECRET = "tenant-1", "d0" * 16, b"\xab" * 32
WHO = ("--tenant", TENANT, "--device-id", DEVICE)


@contextmanager
def device_at(port, secret=SECRET, kind=SimDevice):
    """Our simulated device, which keeps trying to connect to that port."""
    simulated = kind(DEVICE, TENANT, secret, os.urandom)
    with MqttDevice(simulated, port, int(time.time()) + 86400) as running:
        yield running


@pytest.fixture
def secret(kit):
    return ("--secret-file", kit.file("secret", SECRET.hex() + "\n"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def only(*cases):
    return [word for case in cases for word in ("--only", case)]


def test_a_device_behind_the_kits_own_broker(kit, secret):
    port, report = free_port(), kit.folder / "report.json"
    cases = only(
        "signature", "command-executed", "retained*", "login", "manifest-wanted", "quality-of-service"
    )
    with device_at(port):
        done = kit("--device", f"listen:{port}", *WHO, *secret, *cases, "--json", str(report))
    assert (done.status, done.err) == (0, "")
    totals = json.loads(report.read_text())
    assert (totals["passed"], totals["skipped"]) == (7, 0)
    assert SECRET.hex() not in done.out + report.read_text()


def test_a_device_behind_somebody_elses_broker(kit, secret):
    cases = only("will", "command-executed", "nothing-retained", "login", "reset")
    with ThreadedBroker() as broker, device_at(broker.port):
        done = kit("--device", f"mqtt://127.0.0.1:{broker.port}", *WHO, *secret, *cases, "-v")
    assert done.status == 0
    assert "3 passed, 0 failed, 2 skipped" in done.out
    assert "--device listen" in done.out and "--reset" in done.out  # what it takes to run the others


@contextmanager
def rebooted_by(flag, running):
    """Power-cycles the device when the file appears."""
    over = threading.Event()

    def watch():
        while not over.wait(0.02):
            if flag.exists():
                flag.unlink()
                running.reboot()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def test_a_device_that_the_kit_resets(kit, secret):
    port, flag = free_port(), kit.folder / "reset"
    with device_at(port) as running, rebooted_by(flag, running):
        done = kit("--device", f"listen:{port}", *WHO, *secret, *only("reset"), "--reset", f"touch {flag}")
    assert done.status == 0
    assert "1 passed" in done.out


def test_a_reset_that_fails_ends_the_run_with_2(kit, secret):
    port = free_port()
    with device_at(port):
        done = kit("--device", f"listen:{port}", *WHO, *secret, *only("reset"), "--reset", "false")
    assert done.status == 2
    assert "--reset 'false' ended with status 1" in done.err


def test_an_action_that_the_device_lacks_ends_with_2(kit, secret):
    port = free_port()
    with device_at(port):
        done = kit("--device", f"listen:{port}", *WHO, *secret, "--action", "open_sesame")
    assert done.status == 2
    assert "the device has no 'open_sesame'; its manifest has light_brightness" in done.err


def test_a_device_with_another_secret_ends_with_2(kit, secret):
    port = free_port()
    with device_at(port, b"\xcd" * 32):
        own = kit("--device", f"listen:{port}", *WHO, *secret, "--patience", "1")
    assert own.status == 2
    assert "is the secret the device's own?" in own.err
    with ThreadedBroker() as broker, device_at(broker.port, b"\xcd" * 32):
        other = kit("--device", f"mqtt://127.0.0.1:{broker.port}", *WHO, *secret, "--patience", "1")
    assert other.status == 2
    assert "SIGNATURE_INVALID" in other.err


class Elsewhere(SimDevice):
    """Says hello on a topic that no device has."""

    def take(self, now):
        message = super().take(now)
        return message and (message[0].replace("/hello", "/greeting"), message[1])


def test_a_hello_on_no_topic_of_the_device_is_named(kit, secret):
    port = free_port()
    with device_at(port, kind=Elsewhere):
        done = kit("--device", f"listen:{port}", *WHO, *secret, "--patience", "1")
    assert done.status == 2
    assert f"it said no hello on hxtp/{TENANT}/device/{DEVICE}/hello" in done.err
    assert f"it published on hxtp/{TENANT}/device/{DEVICE}/greeting" in done.err


def test_a_device_that_never_comes_ends_with_2(kit, secret):
    done = kit("--device", "listen", *WHO, *secret, "--patience", "0.2")
    assert done.status == 2
    assert "it did not connect" in done.err


def test_a_broker_that_lets_nobody_in_ends_with_2(kit, secret):
    password = secrets.token_urlsafe(12)
    users = {"kit": User(password, ("hxtp/#",), ("elsewhere/#",))}
    with ThreadedBroker(authority=UserAuthority(users)) as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        stranger = kit("--device", url, *WHO, *secret, "--user", "nobody")
        blind = kit(
            "--device", url, *WHO, *secret, "--user", "kit", "--password-file", kit.file("p", password)
        )
    assert (stranger.status, blind.status) == (2, 2)
    assert "refuses the client" in stranger.err
    assert "needs its permissions" in blind.err
    assert password not in blind.err


@pytest.mark.parametrize(
    "argv, says",
    [
        (("--device", "listen"), "--tenant: an id"),
        (("--device", "listen", *WHO), "the device's secret is needed"),
        (("--device", "listen", *WHO, "--secret-file", "/nowhere/at/all"), "cannot be read: No such file"),
        (("--device", "listen", *WHO, "--secret-file", "{short}"), "not 64 hexadecimal digits"),
        (("--device", "listen", "--config", "{short}"), "is not a JSON object"),
        (("--device", "listen:http", *WHO, "--secret-file", "{right}"), "write listen, listen:PORT"),
        (("--device", "http://there", *WHO, "--secret-file", "{right}"), "write mqtt://HOST:PORT"),
        (("--device", "mqtt://a..b", *WHO, "--secret-file", "{right}"), "no broker answers at"),
        (("--device", "mqtt://me:pw@there", *WHO, "--secret-file", "{right}"), "use --user"),
        (("--device", "mqtt://127.0.0.1:{free}", *WHO, "--secret-file", "{right}"), "no broker answers at"),
        (
            ("--device", "mqtts://there", *WHO, "--secret-file", "{right}", "--ca", "/nowhere"),
            "no usable certificate",
        ),
        (("--cloud", "mqtt://there", *WHO, "--secret-file", "{right}"), "has an expiry"),
        (("--cloud", "mqtt://127.0.0.1:{free}", "--config", "{config}"), "no broker answers at"),
    ],
)
def test_a_mistake_ends_with_2_and_one_line(kit, monkeypatch, argv, says):
    monkeypatch.delenv("HXTP_SECRET", raising=False)
    config = {"tenant_id": TENANT, "device_id": DEVICE, "secret": SECRET.hex(), "password_expiry": 1800000000}
    known = {
        "short": kit.file("short", "abc"),
        "right": kit.file("right", SECRET.hex()),
        "config": kit.file("hxtp.json", json.dumps(config)),
        "free": str(free_port()),
    }
    done = kit(*[word.format(**known) for word in argv])
    assert done.status == 2
    assert says in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert "abc" not in done.err


def test_without_an_mqtt_library_it_says_where_that_comes_from(kit, secret, monkeypatch):
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    for name in ("host_sim.conformance.mqtt", "host_sim.conformance.device.mqtt_line"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    done = kit("--device", "listen", *WHO, *secret)
    assert done.status == 2
    assert "make setup" in done.err


def test_a_cloud_that_a_program_makes_send(kit, monkeypatch, capsys):
    settings = {"data": str(kit.folder / "cloud"), "port": 0, "broker_port": 0, "tier": "unlimited"}
    with Cloud(load({**settings, "log_level": "warning"}, environment={})) as cloud:
        monkeypatch.setenv("HXTP_CLOUD", cloud.settings.base_url())
        where = ("--data", settings["data"])
        out = str(kit.folder / "board")
        assert (
            client.main(["register", *where, "conformance", "--board", "boards/none.json", "--out", out]) == 0
        )
        capsys.readouterr()
        config = f"{out}/hxtp.json"
        to = ("--cloud", cloud.broker_url, "--ca", f"{out}/ca.pem")
        command = f"{sys.executable} -m host_sim client command --data {settings['data']} --wait 60 "
        command += "{device} {action} {params}"
        cases = only(
            "cloud-hello-ack",
            "cloud-forged-message",
            "cloud-other-topics",
            "cloud-retry-after-hello",
            "cloud-restart",
            "cloud-check-answered",
            "cloud-check-other-device",
            "cloud-critical-tried",
        )
        url = cloud.settings.base_url()
        done = kit(*to, "--config", config, *cases, "--send", command, "--api", url)
        without = kit(*to, "--config", config, *only("cloud-command-settled", "cloud-check-answered"), "-v")
        nowhere = kit(*to, "--config", config, "--api", "ftp://there")
        twice = kit("--cloud", url, "--api", url)
        files = Path(config).read_text()
        wrong = kit.file("wrong.json", files.replace(json.loads(files)["secret"], "cd" * 32))
        refused = kit(*to, "--config", wrong)
    assert (done.status, done.err) == (0, "")
    assert "5 passed, 0 failed, 3 skipped" in done.out
    assert "2 skipped" in without.out and "say how with --send" in without.out
    assert "say where with --api" in without.out
    assert (nowhere.status, twice.status) == (2, 2)
    assert "--api is the API's address" in nowhere.err and "--api is for a --cloud" in twice.err
    assert refused.status == 2
    assert "refuses the client" in refused.err and "cd" * 32 not in refused.err
