"""A device whose door has to be confirmed, and `python -m host_sim client` in this process."""

from typing import ClassVar

import pytest

from host_sim.cloud.provisioning import token_for
from host_sim.cloud_client import cli
from host_sim.device import Lamp, Relay
from hxtp.errors import HxtpError


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
