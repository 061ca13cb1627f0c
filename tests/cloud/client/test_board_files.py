"""`client register` and `renew`: the files that a board needs, and who may read them."""

import io
import json
import os
import stat
import sys

import pytest

from host_sim import FIRMWARE
from host_sim.device import SimDevice
from host_sim.device_mqtt import MqttDevice
from tests.cloud.waiting import until


def test_a_device_is_registered_with_the_files_that_its_board_needs(run, cloud, tmp_path):
    status, out, err = run("register", "Bedside lamp", "--board", "pwm-lamp")
    assert (status, err) == (0, "")
    folder = tmp_path / "build" / "boards" / "Bedside-lamp"
    config = json.loads((folder / "hxtp.json").read_text())
    assert str(folder.relative_to(tmp_path)) in out and config["secret"] not in out
    assert "no Wi-Fi was given, so they are for a virtual board; for one of yours write its name" in out
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
        (("devices", "--token-file", "nowhere"), "--token-file nowhere: there is no such file"),
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


@pytest.mark.parametrize(
    "url, says",
    [
        ("http://cloud.example", "it has to be https://"),
        ("https://[::1", "such as https://127.0.0.1:8443/api/v1"),
        ("127.0.0.1:8443", "such as https://127.0.0.1:8443/api/v1"),
    ],
)
def test_an_address_that_is_none_is_told_as_a_mistake_of_the_command_line(run, url, says):
    status, out, err = run("devices", "--cloud", url)
    assert status == 2 and out == "" and says in err


WIFI_FROM = ("--ssid", "a", "--wifi-password-file")


@pytest.mark.parametrize(
    "words, says",
    [
        (
            (*WIFI_FROM, "nowhere"),
            "--wifi-password-file nowhere: there is no such file; name a file whose first line is the",
        ),
        ((*WIFI_FROM, "."), "--wifi-password-file .: it is a folder; name a file"),
        (
            ("--out", "list"),
            "list cannot hold a board's files (it is a file): name another folder with --out",
        ),
    ],
)
def test_a_path_that_cannot_be_used_is_told_as_a_mistake_of_the_command_line(run, api, words, says):
    open("list", "w").close()
    before = api().get("/devices").json()["count"]
    status, _, err = run("register", "x", "--board", "pwm-lamp", *words)
    assert status == 2 and says in err and "Errno" not in err
    assert api().get("/devices").json()["count"] == before
