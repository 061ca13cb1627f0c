"""`client command`, `result` and `online`: what a person is told, and what a script can rely on."""

import io
import json
import os
import pty
import re
import subprocess
import sys
import threading

import pytest

from host_sim import ROOT
from host_sim.cloud_client import words
from host_sim.cloud_client.api import Unreachable
from host_sim.cloud_client.client import Client


def test_a_command_is_executed_whatever_names_the_device_and_its_values_are_typed(run, door):
    for value, name in ((81, door.id), (82, door.id[:10]), (83, "Front door")):
        status, out, err = run("command", name, "light_brightness", f"brightness={value}")
        assert (status, err) == (0, "")
        assert out == f'light_brightness: executed {{"brightness": {value}}}\n'
        assert door.sim.parts[0].brightness == value
    status, out, _ = run("command", "Front door", "light_brightness", '{"brightness": 20}', "--json")
    assert status == 0 and json.loads(out)["status"] == "acknowledged" and door.sim.parts[0].brightness == 20


@pytest.mark.parametrize(
    "words, status, says, lists",
    [
        (("nobody", "light_on"), 1, "there is no device 'nobody'", "    {id}  Front door"),
        (("", "light_on"), 1, "there is no device ''", "    {id}  Front door"),
        (("{id}", "light_onn"), 1, "no action 'light_onn'; did you mean light_on?", "\n    relay_toggle\n"),
        (("{id}", "light_brightness", "brightness=101"), 1, "it is an integer 0 to 100", "client device"),
        (("{id}", "light_brightness", "brightness=high"), 1, "brightness cannot be 'high'", ""),
        (("{id}", "light_brightness"), 1, "PARAMS_INVALID: brightness is missing", ""),
        (("{id}", "light_on", "color=1"), 1, "light_on has no parameter 'color'", ""),
        (("{id}", "hxtp.rotate"), 1, "RESTRICTED_ACTION: ", ""),
        (("{id}", "light_on", "brightness"), 2, "'brightness' is not name=value", ""),
        (("{id}", "light_on", "a=1", "a=2"), 2, "a is given twice", ""),
        (("{id}", "light_on", "{"), 2, "not a JSON object", ""),
        (("{id}", "light_on", "{" * 100000), 2, "not a JSON object", ""),
        (("{id}", "light_on", "--wait", "nan"), 2, "'nan' is no time: give seconds", ""),
        (("{id}", "light_on", "--ttl", "0"), 2, "'0' is no time", ""),
        (("{id}", "light_on", "--token", "T"), 2, "unrecognized arguments", ""),
    ],
)
def test_what_was_typed_wrongly_is_named_and_nothing_is_sent(run, door, words, status, says, lists):
    runs = len(door.sim.runs)
    done = run("command", *(word.replace("{id}", door.id) for word in words))
    assert done[:2] == (status, "")
    assert says in done[2] and lists.replace("{id}", door.id) in done[2] + "\n"
    assert len(door.sim.runs) == runs


def test_a_name_that_two_devices_have_is_not_guessed(run, api):
    ids = [api().post("/device/register", json={"device_type": "twin"}).json()["device_id"] for _ in range(2)]
    for one in ids:
        api().patch(f"/devices/{one}", json={"name": "Twin"})
    status, _, err = run("command", "twin", "light_on")
    assert status == 1 and "2 devices are meant by 'twin'" in err and all(one in err for one in ids)


def test_a_dry_run_moves_nothing(run, door):
    before = door.sim.parts[0].brightness
    status, out, err = run("command", door.id, "light_brightness", "brightness=99", "--dry-run")
    assert (status, out, err) == (0, "light_brightness: would be executed; nothing moved\n", "")
    assert door.sim.parts[0].brightness == before


@pytest.mark.parametrize("action", ["door_open", "door_force"])
def test_without_a_terminal_a_sensitive_command_wants_a_yes_beforehand(run, door, monkeypatch, action):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    opened = door.sim.parts[0].opened
    status, out, err = run("command", door.id, action)
    assert (status, out) == (1, "") and "add --yes" in err and door.sim.parts[0].opened == opened
    assert run("command", door.id, action, "--yes") == (0, f'{action}: executed {{"open": true}}\n', "")


@pytest.mark.parametrize("answer, status", [("y", 0), ("\n", 1), ("never", 1)])
def test_on_a_terminal_it_asks(cloud, token, door, answer, status):
    """In a process of its own, which has a terminal."""
    opened = door.sim.parts[0].opened
    main, terminal = pty.openpty()
    try:
        with subprocess.Popen(
            [
                sys.executable,
                "-m",
                "host_sim",
                "client",
                "command",
                "--ca",
                str(cloud.pki.ca),
                door.id,
                "door_open",
            ],
            cwd=ROOT,
            env={**os.environ, "HXTP_CLOUD": cloud.settings.base_url(), "HXTP_TOKEN": token},
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=terminal,
        ) as process:
            guard = threading.Timer(60, process.kill)
            guard.start()
            asked = b""
            while b"Send it? [y/N]" not in asked:
                asked += os.read(main, 1000)
            os.write(main, answer.encode() + b"\n")
            out, _ = process.communicate()
            guard.cancel()
    finally:
        os.close(main)
        os.close(terminal)
    assert b"door_open is sensitive" in asked and process.returncode == status
    assert (b"executed" in out) == (status == 0) == (door.sim.parts[0].opened == opened + 1)


def test_what_a_device_refuses_is_told_and_cannot_steer_the_terminal(run, door):
    status, out, err = run("command", door.id, "door_jam")
    assert (status, out) == (1, "") and "door_jam: failed, ?[2J?" in err and "\x1b" not in err


def test_a_device_that_is_away_is_told_so_and_a_program_can_ask(run, api, door):
    away = api().post("/device/register", json={"device_type": "away"}).json()["device_id"]
    manifest = api().get(f"/devices/{door.id}/manifest").json()["capabilities"]
    assert run("command", away, "light_on")[2].startswith("host_sim client: MANIFEST_NOT_FOUND: ")
    api().post(f"/devices/{away}/manifest", json={"capabilities": manifest})
    status, out, err = run("command", away, "light_on", "--wait", "0.1", "--ttl", "60")
    assert (status, out) == (4, "")
    assert err.startswith("light_on: no answer yet, still queued; the device is offline; it waits until 20")
    # The status and the command that asks again are what a script goes on with.
    command_id = re.search(r"client result (\S+)` tells what became of it", err)[1]
    status, out, err = run("result", command_id, "--wait", "0.1")
    assert (status, out) == (4, "") and f"client result {command_id}`" in err
    status, out, err = run("result", command_id, "--json")
    assert (status, err) == (4, "") and json.loads(out)["status"] == "queued"
    assert run("online", away) == (1, "offline\n", "")
    assert run("online", "Front door") == (0, "online\n", "")
    status, out, _ = run("online", away, "--json")
    told = {"id": away, "name": None, "online": False, "last_seen": None, "away": False}
    assert status == 1 and json.loads(out) == told
    status, out, err = run("online", "f" * 32)  # neither online nor offline
    assert (status, out) == (2, "") and "there is no device" in err


@pytest.mark.parametrize(
    "words, status, code, has",
    [
        (("command", "{id}", "light_onn"), 1, "ACTION_NOT_IN_MANIFEST", {"hint", "choices"}),
        (("command", "{id}", "light_brightness", "brightness=101"), 1, "PARAMS_INVALID", {"hint"}),
        (("command", "{id}", "door_open"), 1, "CONFIRMATION_REQUIRED", {"hint"}),
        (("command", "nobody", "light_on"), 1, "NOT_FOUND", {"choices"}),
        (("device", "nobody"), 1, "NOT_FOUND", {"choices"}),
        (("online", "nobody"), 2, "NOT_FOUND", {"choices"}),
        (("result", "4f7c8c1e"), 1, "NOT_FOUND", {"hint"}),
        (("command", "{id}", "light_on", "--cloud", "https://127.0.0.1:1/api/v1"), 3, "UNREACHABLE", set()),
        (("online", "{id}", "--cloud", "https://127.0.0.1:1/api/v1"), 3, "UNREACHABLE", set()),
    ],
)
def test_a_script_gets_a_refusal_as_json_and_a_status_of_its_own(
    run, door, monkeypatch, words, status, code, has
):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    opened = door.sim.parts[0].opened
    done, out, err = run(*(word.replace("{id}", door.id) for word in words), "--json")
    told = json.loads(out)
    assert (done, told.pop("error")) == (status, code) and err.startswith("host_sim client: ")
    assert told.pop("status") == ("unreachable" if status == 3 else "refused")
    assert told.pop("message") and set(told) == has and "token" not in out
    assert door.sim.parts[0].opened == opened


def test_ctrl_c_while_a_command_waits_tells_how_to_ask_again(run, api, door, monkeypatch):
    away = api().post("/device/register", json={"device_type": "away"}).json()["device_id"]
    manifest = api().get(f"/devices/{door.id}/manifest").json()["capabilities"]
    api().post(f"/devices/{away}/manifest", json={"capabilities": manifest})
    settled = Client.settled

    def pressed(*unused):
        monkeypatch.setattr(Client, "settled", settled)
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "settled", pressed)
    status, out, err = run("command", away, "light_on", "--ttl", "60")
    assert (status, out) == (130, "")
    assert re.fullmatch(
        r"not answered yet: command (\S+) goes on waiting until 20\d\d-.* UTC; "
        r"`python -m host_sim client result \1` tells what became of it\n",
        err,
    )


def test_an_accepted_command_of_which_the_cloud_tells_no_more_is_named(run, door, monkeypatch):
    def gone(*unused):
        raise Unreachable("gone")

    monkeypatch.setattr(Client, "settled", gone)
    status, out, err = run("command", door.id, "light_on", "--json")
    command_id = json.loads(out)["command_id"]
    assert status == 3 and json.loads(out)["status"] == "unreachable"
    assert f"command {command_id} was accepted; " in err


def test_what_is_missing_of_a_command_line_is_named_and_parameters_are_not(run):
    status, out, err = run("command", "lamp")
    assert (status, out) == (2, "") and err.endswith("arguments are required: ACTION\n")


@pytest.mark.parametrize("status", ["failed", "expired"])
def test_a_command_whose_outcome_nobody_knows_is_told_as_such(status):
    told = words.ended({"action": "light_on", "status": status, "error": "OUTCOME_UNKNOWN"}, None)
    assert told.startswith(
        f"light_on: {status}, OUTCOME_UNKNOWN; it may have run or not: the device was away"
    )
