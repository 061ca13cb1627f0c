"""Our cloud answers every request of the vectors of firmware checks as they say, over HTTP."""

import json
from types import SimpleNamespace

import pytest

from host_sim.cloud.catalogue import devices
from host_sim.cloud.services import Services
from host_sim.cloud.storage import tables
from host_sim.cloud_client.api import Api
from host_sim.conformance.cloud.checks import Check, judged
from host_sim.conformance.cloud.http import DeviceApi
from hxtp.sign import Key
from tests.reference.vectors import FOLDER

PAGE = json.loads((FOLDER / "http/firmware-check.json").read_text())
TENANT = PAGE["device"]["tenant_id"]
SECRETS = {
    PAGE["device"]["device_id"]: bytes.fromhex(PAGE["device"]["secret_hex"]),
    PAGE["device"]["other_device_id"]: bytes.fromhex(PAGE["device"]["other_secret_hex"]),
}
TESTS = [test for group in PAGE["testGroups"] if group["about"] == "request" for test in group["tests"]]
BEFORE = 1  # ms since 1970: when all this was registered


@pytest.fixture(scope="module")
def cloud_settings():
    return {"plain_http": True}


@pytest.fixture(scope="module")
def asking(cloud):
    """The API, at which the devices of the vectors are registered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("host_sim.cloud.signed.REQUESTS", 1 << 30)
        with cloud.services.database.writing() as connection:
            named = {"id": TENANT, "slug": "vectors", "name": "Vectors", "tier": "free", "settings": {}}
            connection.execute(tables.tenants.insert().values(**named, created_at=BEFORE))
            for device_id, secret in SECRETS.items():
                chosen = SimpleNamespace(hex=device_id)
                patch.setattr(devices, "uuid", SimpleNamespace(uuid4=lambda chosen=chosen: chosen))
                patch.setattr(devices, "os", SimpleNamespace(urandom=lambda n, secret=secret: secret))
                devices.register(connection, cloud.services.vault, TENANT, "esp32", BEFORE)
        yield DeviceApi(Api(cloud.settings.base_url()))


def verdict(sent, answer, device_id):
    """What the answer comes to, in the words of the vectors."""
    check = Check(
        sent["method"],
        sent["query"],
        None,
        sent["headers"],
        Key(b"\xab"),
        ("firmware-check", device_id, TENANT),
    )
    told = json.loads(answer.body)
    if answer.status == 401 and "x-hxtp-signature" not in answer.headers:
        return "refused", None
    trusted, wrong = judged(check, answer, SECRETS[device_id])
    assert trusted, wrong
    if set(told) == {"server_time"}:
        return "stale", None
    if (answer.status, told.get("error")) == (401, "NONCE_REUSED"):
        return "reused", None
    assert answer.status == 200 and isinstance(told["update_available"], bool)
    return "answered", {name: told[name] for name in ("device_type", "current_version")}


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test["id"])
def test_the_answer_is_that_of_the_vectors(cloud, asking, monkeypatch, test):
    # HX3-PROV-02, HX3-PROV-03, HX3-PROV-04, HX3-PROV-26, HX3-SEQ-07
    sent, expected = test["request"], test["expected"]
    monkeypatch.setattr(Services, "now", lambda self: test["now_ms"])
    device_id = expected.get("signed_text", "||").split("|")[2] or PAGE["device"]["device_id"]
    with cloud.services.database.writing() as connection:
        connection.execute(tables.nonces.delete())
        for nonce in test["seen_nonces"]:
            row = {"scope": f"{device_id}/http", "nonce": nonce, "expires_at": test["now_ms"] + 1}
            connection.execute(tables.nonces.insert().values(row))
    path = "/firmware/check" + (f"?{sent['query']}" if sent["query"] else "")
    content = None if sent["body"] is None else sent["body"].encode()
    answer = asking.as_device(sent["method"], path, content, sent["headers"])
    assert verdict(sent, answer, device_id) == (expected["verdict"], expected.get("asked"))
