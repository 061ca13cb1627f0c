"""What the logs of a whole story tell, and what they never do."""

import asyncio
import json
import logging
import os
import re
import ssl

import httpx
import pytest
import sqlalchemy as sa
from websockets.asyncio.client import connect

from host_sim.cloud import logs
from host_sim.cloud.catalogue import users
from host_sim.cloud.provisioning import token_for
from host_sim.cloud.shared_redis import greet
from host_sim.cloud.storage.database import Database, DatabaseError
from host_sim.cloud.storage.tables import broker_logins
from host_sim.servers import free_port
from hxtp.sign import mqtt_password
from tests.cloud.waiting import WAIT

PASSWORD = "correct horse battery staple"
BROKERS = "what the broker shows to be let in"
OURS = ("host_sim", "uvicorn", "sqlalchemy", "asyncio", "alembic", "fastapi", "starlette", "redis", "hxtp")


@pytest.fixture(scope="module")
def cloud_settings() -> dict:
    return {"log_level": "debug", "broker_auth_secret": BROKERS}


class _Records(logging.Handler):
    """Keeps what the cloud and its libraries log, and not those of the test's own clients."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.split(".")[0] in OURS:
            self.records.append(record)


@pytest.fixture(scope="module")
def story(cloud, api, device) -> tuple[list[logging.LogRecord], dict[str, str]]:
    """The records of a story in which every kind of secret is used, and those secrets."""
    handler, root = _Records(), logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("", "uvicorn.error")}
    root.addHandler(handler)
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        return handler.records, _play(cloud, api, device)
    finally:
        root.removeHandler(handler)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _play(cloud, api, device) -> dict[str, str]:
    owner, nobody = api(), api(None)
    user_id = owner.get("/auth/me").json()["user"]["id"]
    email = owner.get("/auth/me").json()["user"]["email"]
    users.set_password(cloud.services.database, user_id, PASSWORD, 1)
    secrets = {"password": PASSWORD, "master key": cloud.services.settings.master_keys()[0].hex()}
    secrets["token"] = token_for(cloud.settings, email, "home", "owner")

    # A command line signs in by a browser.
    code = secrets["code"] = f"HXT-{os.urandom(32).hex()}"
    with httpx.Client(base_url=cloud.settings.base_url(), verify=_tls(cloud)) as browser:
        browser.headers["Accept"] = "text/html"
        for do in ("sign_in", "approve"):
            page = browser.get("/auth/cli", params={"code": code}).text
            proof = secrets[f"proof to {do}"] = re.search(r'"csrf_token" value="([^"]+)"', page)[1]
            typed = {"email": email, "password": PASSWORD, "code": code, "csrf_token": proof, "do": do}
            browser.post("/auth/cli-form", data={**typed, "password": PASSWORD + "?"})
            browser.post("/auth/cli-form", data=typed)
        secrets.update(browser.cookies)
    secrets["handshake's token"] = nobody.get(f"/auth/handshake/{code}").json()["token"]

    # Keys, clients, and a device that obeys.
    body = {"name": "k", "scopes": ["read:devices", "write:devices"]}
    first = owner.post("/auth/api-keys", json=body).json()
    second = owner.post("/auth/api-keys/rotate", json={"key_id": first["id"]}).json()
    secrets["first key"], secrets["second key"] = first["key"], second["key"]
    by_key = {"Authorization": f"Bearer {second['key']}"}
    secrets["client"] = owner.post("/auth/clients", json={"name": "c"}).json()["client_secret"]
    lamp = device()
    secrets["device"] = lamp.registration["device_secret"]
    secrets["parameter"] = "a-parameter-nobody-should-read"
    nobody.post(f"/device/{lamp.id}/command", json={"action": "light_on"}, headers=by_key)
    nobody.post(
        f"/device/{lamp.id}/command",
        json={"action": "light_on", "params": {"x": secrets["parameter"]}},
        headers=by_key,
    )
    owner.command(lamp.id, "light_brightness", {"brightness": 7})

    secrets.update(_of_devices(cloud, owner, nobody, lamp))

    # What goes wrong: secrets where none belong, a fault inside, an address with a token in it.
    nobody.get(f"/nothing/{second['key']}", headers={"Authorization": f"Bearer {secrets['token']}x"})
    nobody.post("/auth/logout", content=json.dumps({"password": PASSWORD})[:-1], headers=by_key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("host_sim.cloud.catalogue.clients.every", lambda *unused: {}["fault"])
        assert nobody.get("/auth/clients", headers=_bearer(secrets["token"])).status_code == 500
    asyncio.run(_watch(cloud, secrets["token"]))
    nobody.post("/auth/api-keys/revoke", json={"key_id": first["id"]}, headers=_bearer(secrets["token"]))
    nobody.post("/auth/logout", headers=_bearer(secrets["token"]))
    return secrets


def _of_devices(cloud, owner, nobody, lamp) -> dict[str, str]:
    """What devices, brokers and those who say yes are given, each of it used rightly and wrongly."""
    found = {"broker's secret": BROKERS, "cloud's own MQTT password": cloud.services.uplink.address.password}
    with cloud.services.database.reading() as connection:
        of_it = broker_logins.c.device_id == lamp.id
        expiry = connection.execute(sa.select(broker_logins.c.expires_s).where(of_it)).scalar_one()
    secret = bytes.fromhex(lamp.registration["device_secret"])
    found["MQTT password"] = mqtt_password(secret, lamp.id, expiry)
    for said, password in (("allow", found["MQTT password"]), ("deny", found["MQTT password"][:-1] + "g")):
        body = {"clientid": f"hxtp-{lamp.id}", "username": lamp.id, "password": password}
        for headers in ({"X-HXTP-Broker-Secret": BROKERS}, {"X-HXTP-Broker-Secret": BROKERS + "?"}):
            answer = nobody.post("/mqtt/auth", json=body, headers=headers)
            assert answer.status_code == 401 or answer.json()["result"] == said
    found["rotated secret"] = owner.post(f"/device/{lamp.id}/rotate-secret").json()["new_secret"]

    door = owner.post("/device/register", json={"device_type": "door"}).json()
    found["another device"] = door["device_secret"]
    capabilities = [{"id": 3, "action": "door_open", "safetyClass": "sensitive"}]
    owner.post(f"/devices/{door['device_id']}/manifest", json={"capabilities": capabilities})
    asked = owner.post(f"/device/{door['device_id']}/command", json={"action": "door_open"}).json()
    found["confirmation"] = asked["dry_run_token"]
    for token in (found["confirmation"], found["confirmation"] + "?"):
        owner.post(f"/device/{door['device_id']}/command/confirm", json={"token": token})

    sent = {"data": {"device_type": "door", "version": "1.1.0"}, "files": {"file": b"an image"}}
    release = owner.post("/firmware/upload", **sent).json()
    owner.post(f"/firmware/{release['id']}/release")
    about = {"device_type": "door", "current_version": "1.0.0"}
    url = owner.post("/firmware/check", json=about).json()["url"]
    found["ticket"] = url.partition("?ticket=")[2]
    assert [nobody.get(url + more).status_code for more in ("", "x")] == [200, 401]
    return found


async def _watch(cloud, token: str) -> None:
    address = cloud.settings.base_url().replace("https", "wss", 1).removesuffix("/api/v1")
    async with asyncio.timeout(WAIT), connect(f"{address}/ws/state?token={token}", ssl=_tls(cloud)) as socket:
        await socket.send("ping")
        assert await socket.recv() == "pong"


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _tls(cloud) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(cloud.pki.ca))


def _raw(record: logging.LogRecord) -> str:
    """All that any handler could write of a record."""
    trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
    return f"{record.getMessage()} {record.__dict__} {trace}"


def test_no_secret_of_the_story_is_logged(story):
    records, secrets = story
    assert len(secrets) >= 20 and all(len(secret) >= 20 for secret in secrets.values())
    for name, secret in secrets.items():
        parts = {secret, secret.removeprefix("HXT-"), secret[17:] if secret.startswith("hxtp_") else secret}
        for record in records:
            if record.levelno > logging.DEBUG:
                # Without help: what is blotted out below should not have been there at all.
                found = [part for part in parts if part in _raw(record)]
                assert not found, f"the {name} stands in a record of {record.name}: {record.msg!r}"
            for form in logs.FORMATS:
                line = logs.Lines(form).format(record)
                assert not [part for part in parts if part in line], f"the {name}: {record.name}"


@pytest.mark.parametrize(
    "status, level",
    [(200, "INFO"), (404, "INFO"), (None, "INFO"), (501, "INFO"), (500, "ERROR"), (503, "ERROR")],
)
def test_what_went_wrong_is_an_error_and_what_there_is_not_by_intent_is_none(caplog, status, level):
    with caplog.at_level(logging.INFO, "host_sim.cloud.requests"):
        logs.request({"method": "GET"}, status, 0.0)
    assert [record.levelname for record in caplog.records] == [level]


def test_the_passwords_of_the_database_and_of_redis_are_told_to_nobody(caplog):
    caplog.set_level(logging.DEBUG)
    secret, at = "a-password-nobody-should-read", f"127.0.0.1:{free_port()}"
    assert not greet(f"redis://me:{secret}@{at}")
    with pytest.raises(DatabaseError) as caught:
        Database(f"postgresql://app:{secret}@{at}/hxtp").check()
    assert at in caplog.text and secret not in caplog.text
    assert "app:***@" in str(caught.value) and secret not in str(caught.value)


def test_each_request_has_a_line_that_says_what_came_of_it(story):
    records, _ = story
    told = [record.msg.fields for record in records if record.name == "host_sim.cloud.requests"]
    assert all(set(one) >= {"method", "route", "status", "ms", "request_id"} for one in told)
    routes = {(one["method"], one["route"], one["status"]) for one in told}
    assert routes >= {
        ("GET", "/auth/cli", 200),
        ("POST", "/auth/cli-form", 401),
        ("POST", "/auth/cli-form", 303),
        ("GET", "/auth/handshake/{code}", 200),
        ("POST", "/device/{device_id}/command", 202),
        ("GET", None, 404),
        ("GET", "/auth/clients", 500),
    }
    command = next(one for one in told if one["status"] == 202 and one["actor"].startswith("api_key:"))
    assert re.fullmatch(r"[0-9a-f-]{36}", command["tenant"])


def test_a_fault_is_logged_with_its_trace_and_the_id_that_was_told(story):
    records, _ = story
    fault = next(record for record in records if record.exc_info and "failed" in record.getMessage())
    failed = next(
        record.msg.fields
        for record in records
        if isinstance(record.msg, logs.Event) and record.msg.fields.get("status") == 500
    )
    assert failed["request_id"] in fault.getMessage()
    assert "KeyError" in json.loads(logs.Lines("json").format(fault))["traceback"]


def test_what_changes_somebodys_rights_is_logged_and_risks_are_warnings(cloud, story, api, caplog):
    records, _ = story
    actions = {record.msg.fields["action"] for record in records if record.name == "host_sim.cloud.audit"}
    assert actions >= {
        "sign_in",
        "sign_in_failed",
        "handshake_approved",
        "api_key_created",
        "api_key_rotated",
        "api_key_revoked",
        "client_created",
        "sign_out",
    }
    with caplog.at_level(logging.INFO, "host_sim.cloud.audit"):
        owner = api("owner", "watched")
        for value in (True, False):
            owner.patch("/tenant/settings", json={"accept_secret_as_mqtt_password": value})
    assert [record.levelname for record in caplog.records if "setting_changed" in record.getMessage()] == [
        "WARNING",
        "INFO",
    ]


def test_a_line_of_json_is_one_object_and_a_line_of_text_is_one_line():
    event = logs.Event("request", route="/a b", status=200, actor=None, note='say "hi"\nand go')
    record = logging.LogRecord("host_sim.cloud.requests", logging.INFO, "", 0, event, None, None)
    told = json.loads(logs.Lines("json").format(record))
    assert (told["event"], told["status"], told["note"]) == ("request", 200, 'say "hi"\nand go')
    line = logs.Lines().format(record)
    assert line.endswith('info request route="/a b" status=200 actor=- note="say \\"hi\\"\\nand go"')
    plain = logging.LogRecord("x", logging.WARNING, "", 0, "two\nlines", None, None)
    assert logs.Lines().format(plain).endswith("warning x two\\nlines")


@pytest.mark.parametrize(
    "text, left",
    [
        ("GET /ws/state?token=abcdefgh&x=1", "GET /ws/state?token=…&x=1"),
        ("key hxtp_" + "a" * 12 + "B" * 43, "key hxtp_aaaa…"),
        ("eyJhbGciOi.eyJzdWIi.c2ln end", "eyJ… end"),
        ("code HXT-" + "0" * 64, "code HXT-0000…"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer …"),
        ("secret " + "0a" * 32, "secret 0a0a0a0a…"),
        (f"password 1.1767225600.{'0a' * 32}", "password 1.1767225600.0a0a0a0a…"),
        ("rediss://:hush@cache.example/0", "rediss://:…@cache.example/0"),
        ("postgresql://app:hush@db.example/x", "postgresql://app:…@db.example/x"),
        ("/download?ticket=abc", "/download?ticket=…"),
        ("token " + "aB3-_" * 8 + "xyz", "token aB3-…"),
        ("nothing of that kind", "nothing of that kind"),
        ("0a" * 20, "0a" * 20),
        ("test_of_a_name_with_forty_three_characters_", "test_of_a_name_with_forty_three_characters_"),
    ],
)
def test_what_looks_like_a_secret_is_blotted_out(text, left):
    assert logs.blot(text) == left
