"""The conformance kit against this cloud, by its API alone: the quick cases. All of them, over real time:

.venv/bin/python -m tools.cloud_conformance --slow               behind the cloud's own broker
.venv/bin/python -m tools.cloud_conformance --slow --mosquitto   behind a Mosquitto
.venv/bin/python -m tools.cloud_conformance --slow --mosquitto --postgres --workers 2
"""

import json
import subprocess
import sys

import pytest

from host_sim import ROOT
from host_sim.cloud.provisioning import token_for
from host_sim.cloud_client import bootstrap
from host_sim.cloud_client.api import Api, Session
from host_sim.cloud_client.registration import register
from tests.conformance.kit import Kit

QUICK = [
    "cloud-hello-ack",
    "cloud-features",
    "cloud-hello-form",
    "cloud-hello-members",
    "cloud-hello-forged",
    "cloud-command-form",
    "cloud-command-settled",
    "cloud-ack-dry-run",
    "cloud-ack-body-names",
    "cloud-ack-of-other",
    "cloud-retry-after-hello",
    "cloud-late-ack",
    "cloud-window-of-k",
    "cloud-unpublished-survives-boot",
    "cloud-acks-reordered",
    "cloud-number-too-far",
    "cloud-forged-message",
    "cloud-stale-message",
    "cloud-malformed-message",
    "cloud-strict-json",
    "cloud-framing",
    "cloud-wrong-direction",
    "cloud-not-finite",
    "cloud-other-topics",
    # The others of these are tried in test_conformance_over_http.py.
    "cloud-check-answered",
    "cloud-check-replayed",
    "cloud-check-other-device",
    "cloud-critical-tried",
    "cloud-critical-refused",
    "cloud-confirm-once",
]


@pytest.fixture(scope="module", params=["embedded", "mosquitto"])
def cloud_settings(request):
    if request.param == "embedded":
        return {}
    return request.getfixturevalue("mosquitto").settings


@pytest.fixture
def kit(tmp_path, capsys):
    return Kit(tmp_path, capsys)


@pytest.fixture(scope="module")
def token(cloud):
    return token_for(cloud.settings, "kit@home.example", "home", "admin")


def target(cloud):
    return "--cloud", cloud.settings.base_url(), "--ca", str(cloud.pki.ca)


def test_the_cloud_does_what_the_text_says(cloud, api, kit, token, monkeypatch):
    monkeypatch.setenv("HXTP_TOKEN", token)
    report = kit.folder / "report.json"
    only = [word for case in QUICK for word in ("--only", case)]
    done = kit(*target(cloud), *only, "--json", str(report))
    assert (done.status, done.err) == (0, ""), done.out
    totals = json.loads(report.read_text())
    assert (totals["passed"], totals["failed"], totals["skipped"]) == (len(QUICK), 0, 0)
    assert token not in done.out + report.read_text()
    left = [one for one in api("viewer").get("/devices").json()["devices"] if not one["revoked"]]
    assert left == []  # the kit revokes the device that it registered


@pytest.mark.parametrize(
    "token, says",
    [("", "set HXTP_TOKEN in the environment"), ("nobody's", "the cloud does not take this token")],
)
def test_the_kit_without_a_right_token_says_what_to_do(cloud, kit, monkeypatch, token, says):
    monkeypatch.setenv("HXTP_TOKEN", token)
    done = kit(*target(cloud))
    assert done.status == 2
    assert says in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_the_kit_may_be_given_a_device_that_is_there(cloud, api, kit, token, monkeypatch):
    made = api("owner").post("/device/register", json={"device_type": "conformance"}).json()
    monkeypatch.setenv("HXTP_TOKEN", token)
    ids = {"tenant_id": made["tenant_id"], "device_id": made["device_id"], "secret": made["device_secret"]}
    config = kit.file("hxtp.json", json.dumps(ids))
    done = kit(*target(cloud), "--config", config, "--only", "cloud-command-form")
    assert done.status == 0, done.out + done.err
    kept = api("viewer").get(f"/devices/{made['device_id']}").json()
    assert (kept["revoked"], kept["online"]) == (False, True)


def test_bootstrap_names_the_certificates_that_vouch_for_the_broker(cloud, token):
    asked = Api(cloud.settings.base_url(), cloud.pki.ca)
    found = bootstrap.ask(asked, register(Session(asked, token), "conformance"))
    broker = cloud.services.uplink.address
    assert found.mqtt == f"mqtts://{broker.host}:{broker.port}"
    assert found.ca == broker.ca.read_text()


def test_more_than_one_certificate_is_trusted_or_none_named():
    body = {"mqtt_endpoint": "mqtts://broker:8883", "password_expiry": 1800000000}
    assert bootstrap._read({**body, "ca": ["one", "two\n"]}).ca == "one\ntwo\n"
    assert bootstrap._read({**body, "ca": "one"}).ca == "one\n"
    assert bootstrap._read({**body, "ca": []}).ca is None
    assert bootstrap._read(body).ca is None


def test_a_cloud_that_was_killed_knows_what_it_knew(tmp_path):
    report = tmp_path / "report.json"
    call = [sys.executable, "-m", "tools.cloud_conformance", "--only", "cloud-restart", "--json", str(report)]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(report.read_text())["passed"] == 1
