"""`python -m host_sim client`: what a person sees of a cloud, and what a script can rely on."""

import io
import json
import os
import pty
import re
import stat
import subprocess
import sys
import threading
import time
from typing import ClassVar

import pytest

from host_sim import FIRMWARE, ROOT
from host_sim.__main__ import main
from host_sim.cloud.provisioning import token_for
from host_sim.cloud_client import cli, options, words
from host_sim.cloud_client.api import CloudError, Refused, Unreachable
from host_sim.cloud_client.client import Client, NeedsYes, connect
from host_sim.device import Lamp, Relay, SimDevice
from host_sim.device_mqtt import MqttDevice
from host_sim.params import describe
from hxtp.errors import HxtpError
from tests.cloud.waiting import until


class Door(Lamp):
    """A lamp whose door has to be confirmed."""

    actions: ClassVar = {
        **Lamp.actions,
        "door_open": (1000, "Open the door", {}, "sensitive"),
        "door_force": (1001, "Open it whatever stands behind it", {}, "critical"),
        "door_jam": (1002, "Fail", {}),
    }

    def __init__(self):
        super().__init__()
        self.opened = 0

    def door_open(self, params):
        self.opened += 1
        return {"open": True}

    door_force = door_open

    def door_jam(self, params):
        raise HxtpError("\x1b[2J\x07")


@pytest.fixture(scope="module")
def door(device, api):
    made = device(device_type="door", parts=lambda: [Door(), Relay()])
    assert api().patch(f"/devices/{made.id}", json={"name": "Front door"}).status_code == 200
    return made


@pytest.fixture(scope="module")
def token(cloud):
    return token_for(cloud.settings, "maker@home.example", "home")


@pytest.fixture
def run(cloud, token, monkeypatch, capsys, tmp_path):
    """run("devices") gives (status, stdout, stderr), in an empty folder, with a token in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HXTP_CLOUD", cloud.settings.base_url())
    monkeypatch.setenv("HXTP_TOKEN", token)

    def call(*words, data=None):
        where = ["--data", str(data)] if data is not None else ["--ca", str(cloud.pki.ca)]
        try:
            status = cli.main([words[0], *where, *words[1:]])
        except SystemExit as ended:
            status = ended.code
        said = capsys.readouterr()
        assert token not in said.out + said.err and "Traceback" not in said.err
        return status, said.out, said.err

    return call


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
    assert status == 1 and json.loads(out) == {"id": away, "name": None, "online": False, "last_seen": None}
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


def test_ctrl_c_while_a_command_is_imported_ends_quietly(monkeypatch, capsys):
    def pressed(*unused):
        raise KeyboardInterrupt

    monkeypatch.setattr("importlib.import_module", pressed)
    assert (main(["client", "devices"]), *capsys.readouterr()) == (130, "", "")


@pytest.mark.parametrize("status", ["failed", "expired"])
def test_a_command_whose_outcome_nobody_knows_is_told_as_such(status):
    told = words.ended({"action": "light_on", "status": status, "error": "OUTCOME_UNKNOWN"}, None)
    assert told.startswith(
        f"light_on: {status}, OUTCOME_UNKNOWN; it may have run or not: the device was away"
    )


def test_what_devices_tell_is_watched(cloud, token, api, door):
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "host_sim", "client", "watch", "--ca", str(cloud.pki.ca), "Front door"],
        cwd=ROOT,
        env={**os.environ, "HXTP_CLOUD": cloud.settings.base_url(), "HXTP_TOKEN": token},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        guard = threading.Timer(60, process.kill)
        guard.start()
        assert '"brightness": ' in process.stdout.readline()  # as it was
        api().command(door.id, "light_brightness", {"brightness": 7})
        seen = ""
        while not ('"brightness": 7' in seen and "  light_brightness acknowledged" in seen):
            line = process.stdout.readline()
            assert line and "  Front door  " in line, seen + line
            seen += line
        process.send_signal(2)
        assert process.wait() == 130
        guard.cancel()
        assert process.stdout.read() == ""


# -- files of a board ----------------------------------------------------------------------------------------


def test_a_device_is_registered_with_the_files_that_its_board_needs(run, cloud, tmp_path):
    status, out, err = run("register", "Bedside lamp", "--board", "pwm-lamp")
    assert (status, err) == (0, "")
    folder = tmp_path / "build" / "boards" / "Bedside-lamp"
    config = json.loads((folder / "hxtp.json").read_text())
    assert str(folder.relative_to(tmp_path)) in out and config["secret"] not in out
    for name in ("hxtp.json", "ca.pem"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert config["board"] == "boards/pwm-lamp.json" and config["mqtt"] == cloud.broker_url
    device = SimDevice(config["device_id"], config["tenant_id"], bytes.fromhex(config["secret"]), os.urandom)
    with MqttDevice(
        device, int(config["mqtt"].rpartition(":")[2]), config["password_expiry"], folder / config["ca"]
    ):
        until(lambda: run("online", "bedside lamp")[0] == 0, "the device", every=0.2)
        assert run("command", "Bedside lamp", "relay_toggle") == (0, "relay_toggle: executed\n", "")
    # Neither a name nor files are there twice.
    status, _, err = run("register", "Bedside lamp", "--board", "pwm-lamp", "--out", "elsewhere")
    assert status == 1 and "there is a device named Bedside lamp already" in err
    status, _, err = run("register", "Other", "--board", "pwm-lamp", "--out", str(folder))
    assert status == 2 and "holds the files of a device already" in err
    # They can be renewed without a token.
    old = {**config, "password_expiry": 1, "mqtt": "mqtts://elsewhere:1"}
    (folder / "hxtp.json").write_text(json.dumps(old))
    status, out, err = run("renew", str(folder))
    assert (status, err) == (0, "") and config["secret"] not in out
    assert json.loads((folder / "hxtp.json").read_text()) == config


def test_a_real_boards_wifi_is_taken_from_a_file_or_standard_input(run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("pass phrase\n"))
    status, out, err = run(
        "register",
        "Wireless",
        "--board",
        "boards/own.json",
        "--ssid",
        "attic",
        "--wifi-password-file",
        "-",
        "--out",
        "w",
    )
    assert status == 0 and "pass phrase" not in out + err
    assert (
        "there is no firmware/boards/own.json: it has to be on the board already" in err
        and "start the cloud with --host" in err
    )
    with open("w/hxtp.json") as file:
        config = json.load(file)
    assert config["wifi"] == {"ssid": "attic", "password": "pass phrase"}
    assert config["board"] == "boards/own.json"
    # Renewed by a cloud that is on this machine alone, a board elsewhere does not lose its broker.
    here = config["mqtt"]
    for old, kept, says in (
        (here, here, "then client renew\n"),
        ("mqtts://192.0.2.7:8883", "mqtts://192.0.2.7:8883", "; mqtts://192.0.2.7:8883 is kept\n"),
        (7, here, "then client renew\n"),
    ):
        with open("w/hxtp.json", "w") as file:
            json.dump({**config, "mqtt": old, "password_expiry": 1}, file)
        status, _, err = run("renew", "w")
        assert status == 0 and f"the broker {here} is for this machine alone" in err and err.endswith(says)
        with open("w/hxtp.json") as file:
            assert json.load(file) == {**config, "mqtt": kept}


@pytest.mark.parametrize(
    "board, device_type, says",
    [
        ("pwm-lamp", "pwm-lamp", ""),
        ("boards/pwm-lamp.json", "pwm-lamp", ""),
        (str(FIRMWARE / "boards" / "pwm-lamp.json"), "pwm-lamp", ""),
        ("firmware/boards/pwm-lamp.json", "pwm-lamp", ""),  # as a shell completes it in the checkout
        (
            "mine/pwm-lamp.json",
            "my-lamp",
            "copy mine/pwm-lamp.json onto the board, as boards/pwm-lamp.json\n",
        ),
    ],
)
def test_board_data_are_named_as_they_lie_here_and_stored_as_they_lie_on_the_board(
    run, api, tmp_path, board, device_type, says
):
    (tmp_path / "firmware").symlink_to(FIRMWARE)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "pwm-lamp.json").write_text('{"device_type": "my-lamp"}')
    status, _, err = run("register", f"Of {board[-40:]}", "--board", board, "--out", "files")
    assert status == 0 and err == (says and f"host_sim client: {says}")
    config = json.loads((tmp_path / "files" / "hxtp.json").read_text())
    assert config["board"] == "boards/pwm-lamp.json"
    told = json.loads((FIRMWARE / "boards" / "pwm-lamp.json").read_text())["device_type"]
    found = api().get(f"/devices/{config['device_id']}").json()["device_type"]
    assert found == (told if device_type == "pwm-lamp" else device_type)


@pytest.mark.parametrize(
    "words, says",
    [
        (("register", "x", "--board", "fimware/boards/pwm-lamp.json"), "there is no file fimware/boards/pwm"),
        (("register", "x", "--board", "../boards/pwm.json"), "is on the board already is boards/NAME.json"),
        (("register", "x", "--board", "toaster.json"), "there is no file toaster.json; one that is on the"),
        (("register", "x", "--board", "../pwm-lamp"), "there is no board '../pwm-lamp'; there are demo-ir"),
        (("register", "x", "--board", "list.json"), "list.json holds no board's data: a JSON object of up"),
        (
            ("register", "x", "--board", "toaster"),
            "there is no board 'toaster'; there are demo-ir, demo-light",
        ),
        (("register", "\x1bx", "--board", "pwm-lamp"), "a device's name has 1 to 64 characters"),
        (("register", "x", "--board", "pwm-lamp", "--ssid", "a"), "give --wifi-password-file FILE"),
        (("register", "x", "--board", "pwm-lamp", "--ssid", "é" * 17), "up to 32 bytes"),
        (("register", "x", "--board", "pwm-lamp", "--wifi-password", "p"), "unrecognized arguments"),
        (("renew", "nowhere"), "there is no nowhere/hxtp.json"),
        (("renew", "."), "lacks the device's ids or its secret"),
        (("devices", "--token-file", "nowhere"), "--token-file nowhere: No such file"),
        (("devices", "--cloud", "http://cloud.example"), "it has to be https://"),
        (("devices", "--cloud", "https://[::1"), "such as https://127.0.0.1:8443/api/v1"),
    ],
)
def test_a_mistake_with_files_and_places_ends_in_one_sentence(run, api, monkeypatch, words, says):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with open("hxtp.json", "w") as file, open("list.json", "w") as other:
        file.write('{"device_id": "x"}')
        other.write("[]")
    before = api().get("/devices").json()["count"]
    status, out, err = run(*words)
    assert status in (1, 2) and out == "" and says in err
    assert api().get("/devices").json()["count"] == before


# -- who asks ------------------------------------------------------------------------------------------------


def test_where_the_clouds_data_are_no_token_is_needed(run, cloud, door, monkeypatch):
    monkeypatch.delenv("HXTP_TOKEN")
    status, _, err = run("devices")
    assert status == 2 and "who asks? set HXTP_TOKEN, or give --token-file FILE; there is no" in err
    assert "no cloud's data in build/cloud: start a cloud here, or give --data DIR" in err
    with pytest.raises(CloudError, match=r"or call connect\(token=…\); .* or call connect\(data=DIR\)"):
        connect()
    os.makedirs("build")
    os.symlink(cloud.settings.data, "build/cloud")
    assert "with --ca the data in build/cloud count only where they are named" in run("devices")[2]
    monkeypatch.setenv("HXTP_CLOUD", "https://cloud.example/api/v1")
    with pytest.raises(CloudError) as told:
        connect()
    url = cloud.settings.base_url()
    assert f"build/cloud is of the cloud at {url}, not of https://cloud.example" in str(told.value)
    monkeypatch.delenv("HXTP_CLOUD")  # its folder says where it is
    status, _, err = run("devices", data="nowhere")
    assert status == 2 and "there is no cloud's data in nowhere: start it" in err
    # Found by itself; kept for the next time, for the owner alone, and made again where it is not taken.
    assert connect().find("Front door")["id"] == door.id
    kept = cloud.settings.data / options.KEPT
    first = kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert run("devices", data="build/cloud")[0] == 0 and kept.read_text() == first
    kept.write_text(json.dumps({"tenant": None, "token": "old"}))
    status, out, _ = run("devices", data="build/cloud")
    assert status == 0 and door.id in out and json.loads(kept.read_text())["token"] not in (out, "old")


def test_of_several_tenants_one_has_to_be_chosen(run, cloud, api, door, monkeypatch):
    api("owner", "second house").get("/devices")
    monkeypatch.delenv("HXTP_TOKEN")
    (cloud.settings.data / options.KEPT).unlink(missing_ok=True)
    status, _, err = run("devices", data=cloud.settings.data)
    assert status == 1 and "choose one with --tenant: home, second-house" in err
    assert "no devices yet" in run("devices", "--tenant", "second house", data=cloud.settings.data)[1]
    assert door.id in run("devices", "--tenant", "home", data=cloud.settings.data)[1]


def test_a_token_that_is_not_taken_is_told_without_it(run, monkeypatch, tmp_path):
    for token, says in (
        ("eyJ.nonsense.token", "UNAUTHORIZED: "),
        ("no\x7ftoken", "this cannot be a token"),
        ("x" * 3000, "this cannot be a token"),
    ):
        file = tmp_path / "token"
        file.write_text(token)
        status, out, err = run("devices", "--token-file", str(file))
        assert status in (1, 2) and out == "" and says in err and token not in err
        assert err.count("\n") == 1


def test_a_viewer_is_told_that_a_command_is_not_for_them(run, cloud, door, monkeypatch):
    viewer = token_for(cloud.settings, "guest@home.example", "home", "viewer")
    monkeypatch.setenv("HXTP_TOKEN", viewer)
    assert run("devices")[0] == 0
    status, _, err = run("command", door.id, "light_on")
    assert status == 1 and "PERMISSION_DENIED: " in err and viewer not in err


def test_a_limit_of_requests_is_waited_for_within_the_time_given(cloud, api, door, token):
    """The command was accepted before the limit came, so only what became of it has to wait."""
    cloud_client = connect(cloud.settings.base_url(), ca=cloud.pki.ca, token=token)
    slept, asked, ask = [], [], cloud_client.session.ask

    def limited(method, path, body=None):
        asked.append(path)
        answer = ask(method, path, body)
        if len(asked) == 2:
            answer = type(answer)(429, {"retry-after": "7"}, b"{}")
        return answer

    cloud_client.session.ask = limited
    command_id = cloud_client.send(door.id, "light_on", {})
    until(lambda: api().get(f"/commands/{command_id}").json()["status"] == "acknowledged")
    ended = cloud_client.settled(command_id, time.monotonic() + 60, slept.append)
    assert ended["status"] == "acknowledged" and slept[1] == 7


def test_output_that_nobody_reads_any_more_ends_quietly():
    call = f"{sys.executable} -m host_sim --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", call], capture_output=True, text=True, timeout=30, cwd=ROOT)
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr


def test_every_page_of_a_long_list_is_read(cloud, door, token):
    client = connect(cloud.settings.base_url(), ca=cloud.pki.ca, token=token)
    ask = client.session.ask
    # As the program asks, but for the size of a page.
    client.session.ask = lambda method, path: ask(method, path + ("&" if "?" in path else "?") + "limit=1")
    ids = [one["id"] for one in client.devices()]
    assert door.id in ids and len(ids) == len(set(ids)) > 3
    assert client.find("Front door")["id"] == door.id


def test_a_program_commands_a_device(cloud, door, token):
    client = connect(cloud.settings.base_url(), ca=cloud.pki.ca, token=token)
    ended = client.command(door.id, "light_brightness", {"brightness": 5})
    assert (ended["status"], ended["result"]["result"]) == ("acknowledged", {"brightness": 5})
    with pytest.raises(NeedsYes, match="door_open is sensitive"):
        client.command(door.id, "door_open")
    assert client.command(door.id, "door_open", yes=True)["status"] == "acknowledged"
    with pytest.raises(Refused) as refused:
        client.command(door.id, "door_close")
    assert refused.value.code == "ACTION_NOT_IN_MANIFEST" and "door_open" in refused.value.choices


def test_the_readmes_example_runs_the_firmware_and_commands_it(cloud, micropython, monkeypatch, tmp_path):
    (program,) = re.findall(
        r"```python\n(from host_sim\.board .*?)```", (ROOT / "README.md").read_text(), re.S
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HXTP_TOKEN", token_for(cloud.settings, "maker@home.example", "home"))
    os.makedirs("build")
    os.symlink(cloud.settings.data, "build/cloud")
    known = {}
    exec(compile(program, "README.md", "exec"), known)
    assert [event["value"] for event in known["board"].trace if event.get("pin") == 26][:2] == [0, 1]
