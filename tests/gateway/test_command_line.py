"""`python -m host_sim gateway` beside a running gateway: what it says when all is well, and when not."""

import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from host_sim.device import SimDevice
from host_sim.device_mqtt import MqttDevice
from host_sim.gateway import cli, control
from host_sim.gateway.control import Control
from host_sim.gateway.provision import write_board
from host_sim.params import Problem, checked, declared
from hxtp.errors import HxtpError

ROOT = Path(__file__).resolve().parents[2]
WAIT = 20


@pytest.fixture
def served(bench, tmp_path):
    """A gateway with a control port and one device that is online."""

    def write(registration, board):
        return write_board(
            tmp_path / "boards" / registration.device_id, bench.board_files(registration, board)
        )

    registration = bench.gateway.register("simulated")
    device = SimDevice(registration.device_id, registration.tenant_id, registration.secret, os.urandom)
    with (
        Control(bench.gateway, bench.folder, write) as port,
        MqttDevice(device, bench.broker.port, registration.password_expiry, bench.pki.ca),
    ):
        end = time.monotonic() + WAIT
        while bench.gateway.device(registration.device_id).state is None and time.monotonic() < end:
            time.sleep(0.02)
        bench.device = device
        bench.control = port
        yield bench


@pytest.fixture
def run(served, capsys):
    """run("devices") gives (exit status, stdout, stderr)."""

    def call(*words: str, data: Path = served.folder) -> tuple[int, str, str]:
        status = cli.main([words[0], "--data", str(data), *words[1:]])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def test_devices_are_listed_with_what_they_can_do(run, served):
    status, out, err = run("devices")
    assert (status, err) == (0, "")
    assert served.device.device_id in out and "online" in out and "relay_toggle" in out
    status, out, _ = run("devices", "--json")
    assert json.loads(out)[0]["state"] == {"brightness": 0, "light": False, "relay": False}


def test_a_program_can_ask_whether_a_device_is_online(run, served, tmp_path):
    away = served.gateway.register("simulated").device_id
    assert run("online", served.device.device_id) == (0, "online\n", "")
    assert run("online", away) == (1, "offline\n", "")
    status, out, err = run("online", "f" * 32)  # neither online nor offline
    assert (status, out) == (2, "") and "no device" in err
    assert run("online", away, data=tmp_path / "nowhere")[0] == 2


def test_a_command_is_sent_by_the_beginning_of_an_id_and_its_values_are_typed(run, served):
    status, out, err = run("command", served.device.device_id[:6], "light_brightness", "brightness=80")
    assert (status, out, err) == (0, 'light_brightness: executed {"brightness": 80}\n', "")
    status, _, _ = run("command", served.device.device_id, "light_brightness", '{"brightness": 20}')
    assert status == 0 and served.device.parts[0].brightness == 20


@pytest.mark.parametrize(
    "words, says, lists",
    [
        (("nobody", "light_on"), "DEVICE_NOT_FOUND: no device 'nobody'", "simulated"),
        (("{id}", "light_onn"), "no action 'light_onn'; did you mean light_on?", "    relay_toggle"),
        (
            ("{id}", "light_brightness", "brightness=101"),
            "brightness cannot be 101; it is an integer 0 to 100",
            "",
        ),
        (
            ("{id}", "light_brightness", "brightness=high"),
            "brightness cannot be 'high'; it is an integer",
            "",
        ),
        (("{id}", "light_brightness"), "brightness is missing; it is an integer 0 to 100, required", ""),
        (("{id}", "light_on", "color=1"), "light_on has no parameter 'color'", "    target"),
        (("{id}", "light_on", "target=cellar"), 'target cannot be "cellar"; it is a string one of light', ""),
        (("{id}", "light_on", "brightness"), "'brightness' is not key=value", ""),
        (("{id}", "light_on", "a=1", "a=2"), "a is given twice", ""),
        (("{id}", "light_on", "{"), "not a JSON object", ""),
    ],
)
def test_what_was_typed_wrongly_is_named(run, served, words, says, lists):
    status, out, err = run("command", *(word.replace("{id}", served.device.device_id) for word in words))
    assert (status, out) == (1, "")
    assert says in err and lists in err and "Traceback" not in err
    assert not served.device.runs


@pytest.mark.parametrize(
    "words, says",
    [
        (("serve", "--port", "65536"), "'65536' is no port: give 0 to 65535"),
        (("serve", "--port", "-1"), "'-1' is no port"),
        (("command", "d", "a", "--life", "0"), "'0' is no time: give seconds, more than 0"),
        (("command", "d", "a", "--wait", "nan"), "'nan' is no time"),
        (("command", "d", "a", "--wait", "inf"), "'inf' is no time"),
    ],
)
def test_numbers_that_make_no_sense_end_in_usage(capsys, words, says):
    with pytest.raises(SystemExit) as ended:
        cli.main(list(words))
    assert ended.value.code == 2 and says in capsys.readouterr().err


@pytest.mark.parametrize("tenant", ["", "a/b", "a b", "a|b", "a" * 37, "caf\u00e9", "a\x1b"])
def test_a_tenant_id_that_no_message_could_carry_is_refused_at_once(tmp_path, capsys, tenant):
    assert cli.main(["serve", "--data", str(tmp_path / "d"), "--port", "0", "--tenant", tenant]) == 1
    told = capsys.readouterr().err
    assert "the tenant's id cannot be used" in told and "\x1b" not in told


def test_output_that_nobody_reads_any_more_ends_quietly():
    call = f"{sys.executable} -m host_sim --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", call], capture_output=True, text=True, timeout=30, cwd=ROOT)
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr


def test_a_board_that_is_not_there_is_said_when_its_device_is_registered(run, served):
    status, out, err = run("register", "lamp", "--board", "boards/none.json")
    assert status == 0 and "device " in out and "there is no firmware/boards/none.json" in err


def test_a_beginning_that_two_devices_share_is_not_guessed(run, served):
    for _ in range(17):  # two of eighteen begin alike
        served.gateway.register("other")
    ids = [device.device_id for device in served.gateway.devices()]
    shared = next(name[0] for name in ids if sum(other[0] == name[0] for other in ids) > 1)
    status, _, err = run("command", shared, "light_on")
    assert status == 1 and "devices begin with" in err and err.count("other") >= 1


def test_a_device_that_is_away_is_told_so(run, served):
    registration = served.gateway.register("away")
    status, _, err = run("command", registration.device_id, "light_on", "--wait", "0.1")
    assert status == 1 and "no answer yet, still queued; the device is offline" in err
    status, out, _ = run("devices")
    assert "never seen" in out and "waiting light_on" in out


def test_what_a_device_says_cannot_steer_the_terminal(run, served, monkeypatch):
    def evil(lamp, params):
        raise HxtpError("\x1b[2J\x07")

    monkeypatch.setattr(type(served.device.parts[0]), "light_on", evil)
    status, _, err = run("command", served.device.device_id, "light_on")
    assert status == 1 and "\x1b" not in err and "?[2J?" in err


def test_without_a_gateway_it_says_how_to_start_one(run, tmp_path):
    status, _, err = run("devices", data=tmp_path / "nothing")
    assert status == 1 and "no gateway is running" in err and "gateway serve --data" in err


def test_a_gateway_that_ended_badly_is_told_apart(run, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "control.json").write_text(json.dumps({"port": port, "token": "x"}))
    assert "did not end in good order" in run("devices", data=tmp_path)[2]
    (tmp_path / "control.json").write_text("[]")
    assert "is not what a gateway wrote" in run("devices", data=tmp_path)[2]


def test_the_control_file_is_for_its_owner_and_goes_with_the_gateway(served):
    file = served.folder / "control.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    served.control.stop()
    assert not file.exists()


def test_a_new_board_gets_its_files_and_the_secret_is_in_no_answer(run, served):
    status, out, _ = run("register", "light", "--board", "boards/light.json")
    assert status == 0
    folder = Path(out.split("board: ")[1].split(" (")[0])
    config = json.loads((folder / "hxtp.json").read_text())
    assert stat.S_IMODE((folder / "hxtp.json").stat().st_mode) == 0o600
    assert config["secret"] == served.store.registration(config["device_id"]).secret.hex()
    assert config["secret"] not in out
    assert config["mqtt"] == served.url and config["board"] == "boards/light.json"
    assert (
        config["tenant_id"] == "home"
        and config["ca"] == "ca.pem"
        and set(config["wifi"]) == {"ssid", "password"}
    )
    assert (folder / "ca.pem").read_text() == served.pki.ca.read_text()
    status, again, _ = run("renew", config["device_id"], "--board", "boards/light.json")
    assert status == 0 and str(folder) in again


# -- the port itself ------------------------------------------------------------------------------------


def request(served, method="GET", path="/devices", body=b"", token=None, **headers) -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", served.control.port, timeout=WAIT)
    token = served.control.token.decode() if token is None else token
    connection.request(method, path, body, {"Authorization": f"Bearer {token}", **headers})
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer


def test_without_the_token_nothing_is_answered(served):
    for token in ("", "x", served.control.token.decode()[:-1], "ü"):
        status, answer = request(served, token=token.encode().decode("latin-1"))
        assert (status, answer["code"]) == (401, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    "method, path, body, status",
    [
        ("GET", "/nothing", b"", 404),
        ("POST", "/devices", b"{}", 404),
        ("POST", "/command", b"", 400),
        ("POST", "/command", b"[]", 400),
        ("POST", "/command", b"[" * 50000, 400),
        ("POST", "/command", b"x" * 65537, 413),
        ("POST", "/command", b"{}", 400),
        ("POST", "/command", b'{"device":7,"action":"a"}', 400),
        ("POST", "/command", b'{"device":"x","action":"a","params":[]}', 400),
        ("POST", "/register", b"{}", 400),
        ("POST", "/renew", b'{"device":"x"}', 400),
    ],
)
def test_a_request_without_sense_gets_an_answer_with_a_code(served, method, path, body, status):
    answer = request(served, method, path, body)
    assert answer[0] == status and answer[1]["code"]


def test_a_request_that_takes_too_long_is_dropped_and_others_are_served(served, monkeypatch):
    monkeypatch.setattr(control, "REQUEST_TIME", 0.3)
    with socket.create_connection(("127.0.0.1", served.control.port), timeout=WAIT) as slow:
        slow.sendall(b"POST /command HTTP/1.0\r\n")
        assert request(served)[0] == 200
        assert slow.recv(100) == b""


def test_serve_is_all_that_a_board_needs_until_it_is_told_to_stop(tmp_path):
    data = tmp_path / "data"
    program = [sys.executable, "-m", "host_sim", "gateway"]

    def ask(*words: str) -> str:
        done = subprocess.run(
            [*program, words[0], "--data", str(data), *words[1:]],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=WAIT,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    with subprocess.Popen(
        [*program, "serve", "--data", str(data), "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline().startswith("tenant home, broker mqtts://127.0.0.1:")
            assert "no devices yet" in ask("devices")
            file = (
                next((data / "boards").glob("*/hxtp.json"))
                if ask("register", "lamp", "--board", "b")
                else None
            )
            config = json.loads(file.read_text())
            device = SimDevice(
                config["device_id"], config["tenant_id"], bytes.fromhex(config["secret"]), os.urandom
            )
            port = int(config["mqtt"].rpartition(":")[2])
            with MqttDevice(device, port, config["password_expiry"], file.parent / config["ca"]):
                assert ask("command", config["device_id"][:8], "relay_toggle") == "relay_toggle: executed\n"
            process.send_signal(signal.SIGINT)
            told = process.communicate(timeout=WAIT)[0]
        finally:
            process.kill()
    assert process.returncode == 0 and told.endswith("stopped\n")
    assert " hello" in told and "relay_toggle acknowledged" in told and '"relay": true' in told
    assert config["secret"] not in told and "Traceback" not in told
    assert not (data / "control.json").exists()


def test_serve_says_why_it_cannot(tmp_path, bench, capsys):
    assert cli.main(["serve", "--data", str(bench.folder), "--port", "0"]) == 1
    assert "is used by another process" in capsys.readouterr().err
    assert cli.main(["serve", "--data", str(tmp_path / "d"), "--port", str(bench.broker.port)]) == 1
    assert f"cannot use port {bench.broker.port}" in capsys.readouterr().err


# -- values as people type them ---------------------------------------------------------------------------

MANIFEST = {
    "capabilities": [
        {
            "action": "all",
            "paramSchema": {
                "additionalProperties": False,
                "properties": {
                    "text": {"type": "string", "maxLength": 5},
                    "whole": {"type": "integer"},
                    "any": {"type": "number"},
                    "flag": {"type": "boolean"},
                    "list": {"type": "array", "items": {"type": "integer"}, "maxItems": 3},
                },
            },
        }
    ]
}


@pytest.mark.parametrize(
    "typed, value",
    [
        ({"text": "80"}, {"text": "80"}),
        ({"text": '"a b"'}, {"text": "a b"}),
        ({"text": "true"}, {"text": "true"}),
        ({"whole": "-3"}, {"whole": -3}),
        ({"any": "1.5"}, {"any": 1.5}),
        ({"flag": "on"}, {"flag": True}),
        ({"flag": "false"}, {"flag": False}),
        ({"list": "1,2, 3"}, {"list": [1, 2, 3]}),
        ({"list": "[1,2]"}, {"list": [1, 2]}),
        ({"whole": 7, "list": [1]}, {"whole": 7, "list": [1]}),
    ],
)
def test_values_are_read_as_the_manifest_declares_them(typed, value):
    assert checked(MANIFEST, "all", typed) == value


@pytest.mark.parametrize(
    "typed",
    [
        {"text": "abcdef"}, {"whole": "1.5"}, {"whole": "true"}, {"whole": ""}, {"whole": "1" * 5000},
        {"any": "NaN"}, {"any": "1e999"}, {"any": "abc"}, {"flag": "1"}, {"flag": 1}, {"list": "1,x"},
        {"list": "1,2,3,4"}, {"list": "[" * 100000}, {"list": '["a"]'}, {"whole": True}, {"text": 5},
    ],
)  # fmt: skip
def test_values_that_do_not_fit_are_named(typed):
    with pytest.raises(Problem) as problem:
        checked(MANIFEST, "all", typed)
    assert problem.value.detail.startswith(next(iter(typed)) + " cannot be")


@pytest.mark.parametrize(
    "rule",
    [
        {"type": "colour"}, {"type": ["string"]}, {"minimum": 5}, {"type": "array"},
        {"type": "array", "items": {"type": "colour"}},
        {"type": "integer", "maximum": 5, "multipleOf": 2}, {"type": "string", "maxLength": 1, "x_unit": "%"},
    ],
)  # fmt: skip
def test_what_is_declared_in_words_that_are_not_known_is_for_the_device_to_check(rule):
    # HX3-MAN-16
    rules = {"new": {**rule, "required": True}, "whole": {"type": "integer", "maximum": 5, "required": True}}
    manifest = {"capabilities": [{"action": "a", "paramSchema": {"properties": rules}}]}
    assert checked(manifest, "a", {"new": "77", "whole": "5"}) == {"new": 77, "whole": 5}
    assert checked(manifest, "a", {"new": "77", "whole": 5}, quotes=False) == {"new": "77", "whole": 5}
    assert checked(manifest, "a", {"whole": 5}) == {"whole": 5}
    for params in ({"new": 1, "whole": 6}, {"new": 1}, {"new": 1, "whole": 5, "other": 1}):
        with pytest.raises(Problem):
            checked(manifest, "a", params)


ODD = {"type": "integer", "minimum": "z", "enum": 5, "pattern": "(a+)+$"}


@pytest.mark.parametrize(
    "manifest",
    [
        None, {}, {"capabilities": 5}, {"capabilities": [None, {}, {"action": 5}]},
        {"capabilities": [{"action": "a", "paramSchema": {"properties": {"x": {"type": "odd"}, "y": 5}}}]},
        {"capabilities": [{"action": "a", "paramSchema": {"properties": {"x": {"type": "array"}}}}]},
        {"capabilities": [{"action": "a", "paramSchema": {"properties": {"x": {"type": ["string"]}}}}]},
        {"capabilities": [{"action": "a", "paramSchema": {"properties": {"x": ODD}}}]},
    ],
)  # fmt: skip
def test_a_manifest_of_any_shape_is_survived(manifest):
    declared(manifest)
    with_x = {"x": "5"} if "x" in declared(manifest).get("a", {}) else {}
    checked(manifest, "a", with_x)


def test_without_a_manifest_values_are_json_where_they_can_be():
    values = checked(None, "a", {"n": "5", "t": "five", "l": "[1]", "x": 7})
    assert values == {"n": 5, "t": "five", "l": [1], "x": 7}
