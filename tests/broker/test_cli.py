"""`python -m host_sim broker`: starts, says where, serves, ends cleanly; says clearly what it cannot do."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from host_sim import commandline
from host_sim.broker import cli
from host_sim.broker.packets import Connack, Connect
from tests.broker.wire import TIMEOUT, Wire


@pytest.fixture
def start():
    """start(*arguments) -> (process, port) once it listens."""
    running = []

    def run(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "host_sim", "broker", "--port", "0", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        line = process.stdout.readline()
        assert line.startswith("listening on "), process.communicate(timeout=TIMEOUT)
        return process, line.split()[-1]

    yield run
    for process in running:
        process.kill()
        process.communicate()


def port_of(address):
    return int(address.rpartition(":")[2])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_interrupted(start, number):
    process, address = start("--allow-anonymous")
    assert address.startswith("mqtt://127.0.0.1:")
    wire = Wire(port_of(address)).connect("a")
    wire.subscribe("t", qos=0)
    wire.publish("t", b"x", qos=0)
    assert len(wire.messages()) == 1
    process.send_signal(number)
    out, err = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, out, err) == (0, "stopped: 1 clients, 1 messages in, 1 out\n", "")
    assert wire.is_closed()


def test_it_serves_over_tls(start, certificates):
    _, address = start(
        "--allow-anonymous", "--tls-cert", certificates.certificate, "--tls-key", certificates.key
    )
    assert address.startswith("mqtts://")
    Wire(port_of(address), certificates.client_context()).connect("a")


def test_it_takes_users_from_a_file(start, tmp_path):
    users = tmp_path / "users.json"
    entry = {"password": "wonderland", "publish": ["open/#"], "subscribe": ["open/#", "more"]}
    users.write_text(json.dumps({"alice": entry, "bob": {"password": "builder"}}))
    _, address = start("--users", users)
    port = port_of(address)
    alice = Wire(port).connect("a", username="alice", password=b"wonderland")
    assert alice.subscribe("open/x", "more", "closed") == [1, 1, 0x80]
    bob = Wire(port).connect("b", username="bob", password=b"builder")
    assert bob.subscribe("#") == [1]
    assert Wire(port).send(Connect("c", username="alice", password=b"builder")).receive() == Connack(5)
    assert Wire(port).send(Connect("c")).receive() == Connack(5)


def test_users_and_anonymous_clients_go_together(start, tmp_path):
    users = tmp_path / "users.json"
    users.write_text(json.dumps({"alice": {"password": "wonderland"}}))
    _, address = start("--users", users, "--allow-anonymous")
    Wire(port_of(address)).connect("a")
    Wire(port_of(address)).connect("b", username="alice", password=b"wonderland")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "nobody could log in"),
        (["--allow-anonymous", "--tls-cert", "x"], "go together"),
        (["--allow-anonymous", "--tls-key", "x"], "go together"),
        (
            ["--allow-anonymous", "--tls-cert", "/nowhere/c", "--tls-key", "/nowhere/k"],
            "no such file: /nowhere/c",
        ),
        (["--allow-anonymous", "--port", "70000"], "70000 is not a port"),
        (["--users", "/nowhere/users"], "cannot read /nowhere/users"),
        (["--allow-anonymous", "--host", "192.0.2.1"], "cannot listen on 192.0.2.1"),
    ],
)
def test_it_says_what_it_cannot_do(capsys, arguments, complaint):
    assert cli.main(["--port", "0", *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("host_sim broker: ")
    assert complaint in err


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "is not JSON"),
        ("\xff", "is not JSON"),
        ("[]", "not a JSON object"),
        ('{"a": 1}', "'a' needs an object"),
        ('{"a": {}}', "'a' needs an object"),
        ('{"a": {"password": ""}}', "'a' needs an object"),
        ('{"a": {"password": 1}}', "'a' needs an object"),
        ('{"a": {"password": "x", "publsh": []}}', "unknown member 'publsh'"),
        ('{"a": {"password": "x", "publish": "#"}}', "'publish' of user 'a'"),
        ('{"a": {"password": "x", "subscribe": ["a/#/b"]}}', "'subscribe' of user 'a'"),
        ('{"a": {"password": "x", "subscribe": [1]}}', "'subscribe' of user 'a'"),
    ],
)
def test_a_faulty_users_file_is_explained(capsys, tmp_path, text, complaint):
    users = tmp_path / "users.json"
    users.write_bytes(text.encode("latin-1"))
    assert cli.main(["--port", "0", "--users", str(users)]) == 1
    assert complaint in capsys.readouterr().err


def test_files_that_are_no_certificate_are_explained(capsys, tmp_path):
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    arguments = ["--allow-anonymous", "--tls-cert", str(nonsense), "--tls-key", str(nonsense)]
    assert cli.main(arguments) == 1
    assert "cannot use" in capsys.readouterr().err


def test_a_port_in_use_is_explained(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert cli.main(["--allow-anonymous", "--port", str(port)]) == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--port", "many"], ["--frob"], ["--password", "x"]])
def test_a_wrong_command_line_ends_with_2(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2


def test_a_second_sigterm_does_not_break_off_what_the_first_one_ends():
    ended = []

    def run():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            raise AssertionError("it goes on")
        finally:
            os.kill(os.getpid(), signal.SIGTERM)  # as `timeout` does
            ended.append("in order")

    before = signal.getsignal(signal.SIGTERM)
    assert commandline.guarded("broker", run, {}) == 130 and ended == ["in order"]
    assert signal.getsignal(signal.SIGTERM) is before
