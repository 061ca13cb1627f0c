"""`python -m host_sim device`: a virtual board registers with a cloud, obeys it, and stays who it is."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading

import pytest

from host_sim import ROOT
from host_sim.cloud.provisioning import token_for
from host_sim.cloud_device.cli import main
from host_sim.cloud_device.identity import FILE
from tests.cloud.waiting import until

COMMAND = [sys.executable, "-m", "host_sim", "device"]


@pytest.fixture
def call(cloud, tmp_path):
    """call(option=value …) runs the command to its end; the token comes from the environment."""

    def run(token="", **options):
        given = {"cloud": cloud.settings.base_url(), "board": "demo-light", "ca": cloud.pki.ca, **options}
        return subprocess.run(
            [*COMMAND, *_words(given), "--data", str(tmp_path / "device")],
            cwd=ROOT,
            env={**os.environ, "HXTP_TOKEN": token},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def _words(options):
    return [
        word for name, value in options.items() if value is not None for word in (f"--{name}", str(value))
    ]


@pytest.fixture(scope="module")
def token(cloud):
    return token_for(cloud.settings, "maker@home.example", "home")


class Running:
    """The command while it runs, with what it has printed."""

    def __init__(self, cloud, folder, token):
        options = {"cloud": cloud.settings.base_url(), "board": "demo-light", "ca": cloud.pki.ca}
        self.process = subprocess.Popen(
            [*COMMAND, *_words(options), "--data", str(folder)],
            cwd=ROOT,
            env={**os.environ, "HXTP_TOKEN": token},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.text = ""
        self._guard = threading.Timer(60, self.process.kill)
        self._guard.start()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self._guard.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def until(self, text):
        for line in self.process.stdout:
            self.text += line
            if text in line:
                return line
        raise AssertionError(self.text)

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        self.text += self.process.stdout.read()
        return self.process.wait()


def test_a_virtual_board_registers_obeys_and_is_the_same_device_next_time(cloud, api, token, tmp_path):
    folder = tmp_path / "device"
    with Running(cloud, folder, token) as board:
        device_id = board.until("registered").split()[1]
        board.until("READY")
        until(lambda: api().get(f"/devices/{device_id}/manifest").status_code == 200, "its manifest")
        ended = api().command(device_id, "light_brightness", {"brightness": 40})
        assert (ended["status"], ended["error"]) == ("acknowledged", None)
        assert board.interrupt() == 0 and "Traceback" not in board.text
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600 and folder.stat().st_mode & 0o777 == 0o700
    with Running(cloud, folder, "") as board:  # no token is needed any more
        assert board.until("known as").split()[2] == device_id
        board.until("READY")
        assert api().command(device_id, "light_off")["status"] == "acknowledged"
        assert board.interrupt() == 0
        told = board.text
    secret = (folder / FILE).read_text().split('"secret": "')[1][:64]
    assert secret not in told and token not in told
    assert [one["id"] for one in api().get("/devices").json()["devices"]].count(device_id) == 1
    assert api().post(f"/device/{device_id}/revoke").status_code == 200
    with Running(cloud, folder, "") as board:
        assert str(folder) in board.until("to register another device")


@pytest.mark.parametrize(
    "options, told",
    [
        ({"board": "toaster"}, "there are demo-ir, demo-light"),
        ({"ca": None}, "give its CA with --ca"),
        ({"ca": "nowhere.pem"}, "there is no file nowhere.pem"),
        ({"ca": __file__}, "certificates in PEM form"),
        ({"cloud": "http://example.org"}, "it has to be https://"),
        ({"cloud": "what"}, "such as https://127.0.0.1:8443/api/v1"),
        ({"token-file": "/nowhere/token"}, "there is no such file"),
    ],
)
def test_a_mistake_ends_in_one_sentence_that_says_what_to_write(call, token, options, told):
    done = call(token, **options)
    assert done.returncode in (1, 2) and told in done.stderr
    assert done.stderr.count("\n") == 1 and token not in done.stderr and not done.stdout


def test_without_micropython_no_device_is_made_for_it(cloud, api, token, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("host_sim.fetching.CACHE", tmp_path / "nothing was fetched")
    monkeypatch.setenv("HXTP_TOKEN", token)
    before = api().get("/devices").json()["count"]
    given = {"cloud": cloud.settings.base_url(), "ca": cloud.pki.ca, "data": tmp_path / "device"}
    assert main(["--board", "demo-light", "--runtime", "micropython", *_words(given)]) == 1
    assert "there is no MicroPython on this machine yet: make runtimes" in capsys.readouterr().err
    assert api().get("/devices").json()["count"] == before and not (tmp_path / "device").exists()


@pytest.mark.parametrize("text, told", [('{"parts": [', "is no JSON: "), ("[1]", 'has no "device_type"')])
def test_of_a_board_that_cannot_be_read_nothing_is_kept(tmp_path, capsys, text, told):
    board = tmp_path / "board.json"
    board.write_text(text)
    assert main(["--board", str(board), "--data", str(tmp_path / "device")]) == 2
    assert f"{board} {told}" in capsys.readouterr().err
    assert not (tmp_path / "device").exists()


def test_a_token_that_is_missing_or_wrong_is_told(call):
    assert "set HXTP_TOKEN, or give --token-file" in call("").stderr
    wrong = call("eyJ.nonsense.token").stderr
    assert "does not take this token" in wrong and "nonsense" not in wrong
    viewer = call("no\x7ftoken").stderr
    assert "this cannot be a token" in viewer


def test_a_cloud_that_is_not_there_is_told(call, token):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "start the cloud" in call(token, cloud=f"https://127.0.0.1:{port}").stderr


def test_something_that_is_no_cloud_is_told(call, cloud, token):
    listener = socket.create_server(("127.0.0.1", 0))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cloud.pki.certificate, cloud.pki.key)

    def serve():
        with tls.wrap_socket(listener.accept()[0], server_side=True) as peer:
            asked = b""
            while not asked.endswith(b"}"):
                asked += peer.recv(4096)
            peer.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    done = call(token, cloud=f"https://127.0.0.1:{listener.getsockname()[1]}")
    thread.join(10)
    listener.close()
    assert "no HxTP cloud" in done.stderr
