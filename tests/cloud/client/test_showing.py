"""`client devices`, `device` and `watch`, and how the program ends when nobody looks any more."""

import json
import os
import signal
import subprocess
import sys
import threading
from time import monotonic_ns

import pytest

from host_sim import ROOT
from host_sim.__main__ import main
from host_sim.counted import counted
from host_sim.params import describe


def test_devices_are_listed_with_whether_they_are_there(run, api, door):
    away = api().post("/device/register", json={"device_type": "shy"}).json()["device_id"]
    status, out, err = run("devices")
    assert (status, err) == (0, "")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert "Front door" in lines[door.id] and " online " in lines[door.id]
    assert lines[away].split()[1:] == ["-", "shy", "never", "seen", "never"]
    listed = json.loads(run("devices", "--json")[1])
    assert {one["id"] for one in listed} == {line for line in lines if line != "ID"}
    assert api().post(f"/device/{away}/revoke").status_code == 200
    assert away not in run("devices")[1]


def test_a_device_is_shown_with_what_its_actions_take(run, door):
    status, out, err = run("device", "front DOOR")
    assert (status, err) == (0, "")
    assert out.startswith(f"{door.id}  Front door (door), online\n")
    assert '    state      {"brightness": ' in out
    assert "    door_open (sensitive): Open the door\n" in out
    assert "    light_brightness: " in out and "        brightness: an integer 0 to 100, required\n" in out
    shown = json.loads(run("device", door.id[:10], "--json")[1])
    assert shown["device"]["id"] == door.id and shown["manifest"]["capabilities"]


@pytest.mark.parametrize(
    "rule, told",
    [
        (
            {"type": "string", "minLength": 7, "maxLength": 7, "required": True},
            "a string of 7 characters, required",
        ),
        ({"type": "string", "minLength": 1, "maxLength": 1}, "a string of 1 character"),
        ({"type": "string", "minLength": 1, "maxLength": 9}, "a string 1 to 9 characters"),
        ({"type": "string", "maxLength": 1}, "a string up to 1 character"),
        ({"type": "array", "minItems": 1}, "an array from 1 item"),
        ({"type": "integer", "minimum": 0, "maximum": 100}, "an integer 0 to 100"),
        ({"type": "integer", "minimum": 1, "maximum": 1}, "an integer 1 alone"),
        ({"type": "string", "enum": ["a", "b"]}, "a string one of a, b"),
    ],
)
def test_what_a_parameter_may_be_is_told_in_words(rule, told):
    assert describe(rule) == told


@pytest.mark.parametrize(
    "words, told",
    [
        ((0, "device"), "0 devices"),
        ((1, "device"), "1 device"),
        ((2, "device"), "2 devices"),
        ((1, "person", "people"), "1 person"),
        ((2, "person", "people"), "2 people"),
    ],
)
def test_one_thing_is_told_as_one(words, told):
    assert counted(*words) == told


def test_ctrl_c_while_a_command_is_imported_ends_quietly(monkeypatch, capsys):
    def pressed(*unused):
        raise KeyboardInterrupt

    monkeypatch.setattr("importlib.import_module", pressed)
    assert (main(["client", "devices"]), *capsys.readouterr()) == (130, "", "")


@pytest.fixture
def watching(cloud, token):
    """`client watch` of the door, in a process of its own that ends with the test."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "host_sim", "client", "watch", "--ca", str(cloud.pki.ca), "Front door"],
        cwd=ROOT,
        env={**os.environ, "HXTP_CLOUD": cloud.settings.base_url(), "HXTP_TOKEN": token},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        guard = threading.Timer(60, process.kill)
        guard.start()
        yield process
        process.kill()
        guard.cancel()


def test_what_devices_tell_is_watched(watching, api, door):
    assert '"brightness": ' in watching.stdout.readline()  # as it was
    api().command(door.id, "light_brightness", {"brightness": 7})
    seen = ""
    door.mqtt.call(lambda: door.sim.session.telemetry({"lux": 215}, monotonic_ns() // 1000000))
    wanted = '"brightness": 7', "  light_brightness acknowledged", '  telemetry {"lux": 215}\n'
    while not all(one in seen for one in wanted):
        line = watching.stdout.readline()
        assert line and "  Front door  " in line, seen + line
        seen += line
    watching.send_signal(signal.SIGINT)
    assert watching.wait() == 130
    assert watching.stdout.read() + watching.stderr.read() == ""


def test_watching_ends_quietly_when_nobody_reads_any_more(watching, api, door):
    assert watching.stdout.readline()
    watching.stdout.close()
    api().command(door.id, "light_brightness", {"brightness": 8})
    assert (watching.wait(), watching.stderr.read()) == (1, "")


def test_output_that_nobody_reads_any_more_ends_quietly():
    call = f"{sys.executable} -m host_sim --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", call], capture_output=True, text=True, timeout=30, cwd=ROOT)
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr
