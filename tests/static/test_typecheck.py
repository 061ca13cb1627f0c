"""The type check notices what it is for, and lets pass how firmware is honestly written.

Whether firmware/ itself passes is `make typecheck`; here it is about the settings.
"""

import json
import subprocess
import textwrap
import tomllib

import pytest

from host_sim import ROOT
from host_sim.fetching import FetchFailed, Unavailable
from tools import typecheck

# How firmware is written: parts that begin as None, no annotations, the stock modules as they are.
HONEST = """
import binascii
import hashlib
import time

import esp32
import neopixel
import network
import ntptime
import requests
from machine import PWM, WDT, Pin, reset_cause, unique_id
from micropython import const
from umqtt.simple import MQTTClient

_LIMIT = const(8)


class Device:
    def __init__(self, options=None):
        self.client = None
        self.pwm = None
        self.options = options

    def start(self):
        self.pwm = PWM(Pin(5), freq=1000, duty_u16=0)
        self.client = MQTTClient("id", "host", 1883, keepalive=30)
        self.client.connect()
        pixels = neopixel.NeoPixel(Pin(4), _LIMIT, bpp=4)
        pixels[0] = (1, 2, 3, 4)
        pixels.write()
        pulses = esp32.RMT(0, pin=Pin(18), clock_div=80, tx_carrier=(38000, 33, True))
        pulses.write_pulses([9000, 4500], 1)
        network.WLAN(network.STA_IF).active(True)

    def step(self):
        self.client.check_msg()
        self.pwm.duty_u16(self.options["duty"])
        digest = hashlib.sha256(unique_id()).digest()
        return time.ticks_diff(time.ticks_ms(), 5), binascii.hexlify(digest), reset_cause()
"""


@pytest.fixture(scope="module")
def errors_in(tmp_path_factory, request):
    """errors_in(source) gives the rules that pyright sees broken in it, under the project's own settings."""
    conftest = request.config.pluginmanager.getplugin(str(ROOT / "tests" / "conftest.py"))
    if not (ROOT / "typings" / "machine.pyi").exists():
        conftest.missing("the ESP32's stubs", "make typecheck")
    try:
        command = typecheck.command()
    except (Unavailable, FetchFailed) as reason:
        conftest.missing("pyright", str(reason))
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pyright"]

    def check(source):
        folder = tmp_path_factory.mktemp("firmware")
        (folder / "sample.py").write_text(textwrap.dedent(source))
        places = {name: str(ROOT / settings[name]) for name in ("stubPath", "typeshedPath")}
        extra = [str(ROOT / name) for name in settings["extraPaths"]]
        own = {**settings, **places, "extraPaths": extra, "include": ["."]}
        (folder / "pyrightconfig.json").write_text(json.dumps(own))
        done = subprocess.run(
            [*command, "-p", str(folder), "--outputjson"],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=folder,
        )
        found = json.loads(done.stdout)["generalDiagnostics"]
        return [item.get("rule", "syntax") for item in found if item["severity"] == "error"]

    return check


def test_slips_are_found(errors_in):
    found = errors_in(
        """
        import machine
        import nosuchmodule
        from umqtt.simple import MQTTClient

        pin = machine.Pin(2, machine.Pin.OUT)
        pin.nosuchmethod()
        machine.nosuchname()
        client = MQTTClient()
        undefined_name
        """
    )
    for rule in ("MissingImports", "AttributeAccessIssue", "CallIssue", "UndefinedVariable"):
        assert f"report{rule}" in found, rule


def test_code_without_annotations_passes(errors_in):
    assert errors_in(HONEST) == []
