"""Which cloud the client asks, and with whose token."""

import json
import os
import socket
import stat
import threading

import pytest

from host_sim.cloud.provisioning import token_for
from host_sim.cloud_client import options
from host_sim.cloud_client.api import CloudError
from host_sim.cloud_client.client import connect
from tests.cloud.waiting import WAIT


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
        ("eyJ.nonsense.token", "UNAUTHORIZED: this is no token of this cloud; make a token: "),
        ("eyJ.nonsense.token", "or leave out HXTP_TOKEN and --token-file where the cloud's data are at hand"),
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


def test_who_takes_https_for_http_or_the_other_way_round_is_told(run, cloud):
    https = cloud.settings.base_url()
    http = https.replace("https:", "http:")
    status, _, err = run("devices", "--cloud", http)
    assert status == 3 and f"it may speak https: try {https}\n" in err
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with listener.accept()[0] as peer:
                peer.recv(4096)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        where = f"127.0.0.1:{listener.getsockname()[1]}"
        status, _, err = run("devices", "--cloud", f"https://{where}")
        thread.join(WAIT)
    assert status == 3 and f"if it is plain HTTP, try http://{where}/api/v1\n" in err


def test_who_takes_the_brokers_port_for_that_of_the_api_is_told(run, cloud):
    where = cloud.broker_url.replace("mqtts:", "https:")
    status, _, err = run("devices", "--cloud", where)
    assert status == 3 and "ends the connection without an answer: try again; is it a broker's port?" in err
