"""A cloud for the commands that send: it knows one device and accepts everything for it."""

import json

import pytest

from host_sim.cloud_client import client
from host_sim.cloud_client.api import Answer, Session

DEVICE = {"id": "3f2a" * 8, "name": "DEVICE", "device_type": "demo-ir", "online": True}


@pytest.fixture
def sent(monkeypatch):
    """What was sent to the device, as the bodies of the requests."""
    asked = []

    def ask(session, method, path, body=None):
        status, answer = 200, {"devices": [DEVICE], "count": 1}
        if method == "POST":
            assert path == f"/device/{DEVICE['id']}/command"
            asked.append(body)
            status, answer = 202, {"success": True, "command_id": "one"}
        elif path == "/commands/one":
            result = {"ack_status": "executed", "result": {"duration": 68}}
            answer = {
                "status": "acknowledged",
                "error": None,
                "result": result,
                "action": asked[-1]["action"],
            }
        return Answer(status, {}, json.dumps(answer).encode())

    monkeypatch.setattr(Session, "ask", ask)
    monkeypatch.setattr(client, "FIRST_S", 0)
    monkeypatch.setenv("HXTP_TOKEN", "a-token")
    return asked
