"""The client in a program of one's own: what `connect` gives."""

import os
import re
import time

import pytest

from host_sim import ROOT
from host_sim.cloud.provisioning import token_for
from host_sim.cloud_client.api import Refused
from host_sim.cloud_client.client import NeedsYes, connect
from tests.cloud.waiting import until


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


def test_every_page_of_a_long_list_is_read(cloud, api, door, token):
    for _ in range(3):
        api().post("/device/register", json={"device_type": "one of many"})
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
