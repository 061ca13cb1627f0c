"""The firmware check of a device: signed as bootstrap is, over what it sends, and answered to it alone."""

import itertools
import json
import threading
from pathlib import Path
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa

from host_sim.cloud.security.requests import HEADERS, Signed
from tests.cloud.asking import Asking

_types = itertools.count(1)
JSON = {"Content-Type": "application/json"}


class Checking(Asking):
    """A device that asks for firmware of its type."""

    def __init__(self, api, kind, registration=None):
        self.api = api
        made = registration or api().post("/device/register", json={"device_type": "esp32"}).json()
        super().__init__(made, "firmware-check")
        self.about = {"device_type": kind, "current_version": "1.0.0", "device_id": self.device}

    def by(self, method, about=None, age=0, headers=None, **changed):
        """(answer, whether it is to be trusted)."""
        about = self.about if about is None else about
        if method == "GET":
            content = urlencode(about).encode()
            headers = headers or self.headers(age, content, **changed)
            answer = self.api(None).get(f"/firmware/check?{content.decode()}", headers=headers)
        else:
            content = json.dumps(about).encode()
            headers = headers or self.headers(age, content, **changed)
            answer = self.api(None).post("/firmware/check", content=content, headers={**headers, **JSON})
        return answer, self.trusts(answer, headers)


@pytest.fixture
def kind(api):
    """A device type that has a release 1.1.0, whose image the cloud serves itself."""
    kind = f"signed-{next(_types)}"
    sent = {"data": {"device_type": kind, "version": "1.1.0"}, "files": {"file": b"an image"}}
    made = api().post("/firmware/upload", **sent).json()
    assert api().post(f"/firmware/{made['id']}/release").status_code == 200
    return kind


@pytest.fixture
def device(api, kind):
    return Checking(api, kind)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_device_is_offered_what_somebody_with_a_token_is(device, api, method):
    # HX3-PROV-02, HX3-PROV-05
    answer, trusted = device.by(method)
    assert answer.status_code == 200 and trusted
    told = answer.json()
    by_token = api("user").post("/firmware/check", json=device.about).json()
    for each in (told, by_token):  # each has a ticket of its own
        each["url"] = each["download_url"] = each["url"].partition("?")[0]
    assert told == by_token and told["version"] == "1.1.0"
    newest, trusted = device.by(method, {**device.about, "current_version": "1.1.0"})
    assert trusted and newest.json()["update_available"] is False


def test_what_it_is_offered_it_can_download_without_a_token(device, api):
    told = device.by("GET")[0].json()
    assert api(None).get(told["url"]).content == b"an image"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_check_counts_once(device, method):
    # HX3-SEQ-07, HX3-PROV-26
    content = urlencode(device.about) if method == "GET" else json.dumps(device.about)
    headers = device.headers(content=content.encode())
    assert device.by(method, headers=headers)[0].status_code == 200
    again, trusted = device.by(method, headers=headers)
    assert (again.status_code, again.json()["error"]) == (401, "NONCE_REUSED") and trusted
    assert "version" not in again.json()


def test_a_nonce_of_bootstrap_is_used_up_for_a_check_too(device, api):
    # HX3-SEQ-07
    nonce = "ab" * 16
    asking = Asking(
        {"device_id": device.device, "tenant_id": device.tenant, "device_secret": device.secret.hex()}
    )
    path = f"/device/{device.device}/bootstrap"
    assert api(None).get(path, headers=asking.headers(nonce=nonce)).status_code == 200
    assert device.by("GET", nonce=nonce)[0].json()["error"] == "NONCE_REUSED"


@pytest.mark.parametrize("age", [301000, -62000])
def test_a_device_with_a_wrong_clock_learns_the_time_and_nothing_else(device, age):
    # HX3-PROV-04
    answer, trusted = device.by("POST", age=age)
    assert (answer.status_code, list(answer.json())) == (200, ["server_time"]) and trusted
    refused, trusted = device.by("GET", age=age)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5") and trusted
    assert device.by("GET")[0].json()["version"] == "1.1.0"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("name", ["device_type", "current_version"])
def test_what_was_changed_on_the_way_is_refused(device, method, name):
    # HX3-PROV-02: the hash is of what was sent
    content = urlencode(device.about) if method == "GET" else json.dumps(device.about)
    headers = device.headers(content=content.encode())
    changed, trusted = device.by(method, {**device.about, name: "0.9.0"}, headers=headers)
    assert (changed.status_code, changed.json()["error"]) == (401, "SIGNATURE_INVALID") and not trusted
    assert device.by(method, headers=headers)[0].status_code == 200  # nothing of it was remembered


def test_a_body_that_is_signed_does_not_vouch_for_a_query(device, api):
    """The hash of a request with a body is the body's: so a GET may have none."""
    body = json.dumps(device.about).encode()
    query = urlencode({**device.about, "current_version": "0.0.1"})
    headers = {**device.headers(content=body), **JSON}
    answer = api(None).request("GET", f"/firmware/check?{query}", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "BAD_REQUEST")
    told = api(None).post(f"/firmware/check?{query}", content=body, headers=headers).json()
    assert told["current_version"] == "1.0.0"  # a POST's query is nothing


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_a_revoked_and_a_forged_device_get_the_same_refusal(device, api, kind, method):
    # HX3-PROV-26
    def refusal(one, **how):
        answer, trusted = one.by(method, **how)
        body = answer.json()
        body.pop("request_id")
        assert not trusted and "X-HXTP-Signature" not in answer.headers
        return answer.status_code, body, answer.headers["WWW-Authenticate"]

    known = {"tenant_id": device.tenant, "device_secret": device.secret.hex()}
    expected = refusal(Checking(api, kind, {**known, "device_id": "f" * 32}))
    assert expected[0] == 401 and expected[1]["error"] == "SIGNATURE_INVALID"
    forged = Checking(api, kind, {**known, "device_id": device.device, "device_secret": "ab" * 32})
    elsewhere = Checking(api, kind, {**known, "device_id": device.device, "tenant_id": "another"})
    bootstrap = Checking(api, kind, {**known, "device_id": device.device})
    bootstrap.purpose = "bootstrap"
    api().post(f"/device/{device.device}/revoke")
    for one in (forged, elsewhere, bootstrap, device):
        assert refusal(one) == expected


def test_an_error_is_signed_once_the_device_is_known(device):
    # HX3-PROV-05
    for method in ("GET", "POST"):
        answer, trusted = device.by(method, {"device_id": device.device, "current_version": "1"})
        assert (answer.status_code, answer.json()["error"]) == (400, "BAD_REQUEST") and trusted


def test_a_fault_of_the_cloud_is_told_signed(device, monkeypatch):
    # HX3-PROV-05
    def broken(*unused):
        raise RuntimeError("the inside")

    monkeypatch.setattr("host_sim.cloud.catalogue.releases.offered", broken)
    answer, trusted = device.by("GET")
    assert (answer.status_code, answer.json()["error"]) == (500, "GATEWAY_ERROR") and trusted


def _refused(answer):
    """Whether this is the refusal that whoever signs wrong gets, whatever is wrong."""
    told = answer.json()
    assert "X-HXTP-Signature" not in answer.headers and answer.headers["WWW-Authenticate"] == "HxTP"
    return (answer.status_code, told["error"], told["message"]) == (
        401,
        "SIGNATURE_INVALID",
        "no device of this cloud signed this",
    )


@pytest.mark.parametrize(
    "content", [b"{}", b"[]", b'{"device_id": 5}', b'{"device_id": "\\u0000"}', b"", b'{"device_id": null}']
)
def test_a_check_that_names_no_device_is_refused_as_a_wrong_signature_is(device, api, content):
    # HX3-PROV-26
    headers = {**device.headers(content=content), **JSON}
    assert _refused(api(None).post("/firmware/check", content=content, headers=headers))
    assert _refused(api(None).get("/firmware/check", headers=device.headers(content=b"")))


@pytest.mark.parametrize("content", [b"no json", b"[" * 9999, b'{"device_id": '])
def test_what_is_no_json_is_told_so_whoever_asks(device, api, content):
    for headers in (device.headers(content=content), {}):
        answer = api(None).post("/firmware/check", content=content, headers={**headers, **JSON})
        assert (answer.status_code, answer.json()["error"]) == (400, "BAD_REQUEST")
        assert "X-HXTP-Signature" not in answer.headers


def test_a_check_without_a_version_is_told_so_once_it_is_known_who_asks(device, api):
    lacking = {"device_type": "esp32", "device_id": device.device}
    by_token = api().post("/firmware/check", json=lacking)
    signed, trusted = device.by("POST", lacking)
    assert trusted and by_token.status_code == signed.status_code == 400
    assert by_token.json()["message"] == signed.json()["message"] == "body.current_version: Field required"
    content = json.dumps(lacking).encode()
    wrong = {**device.headers(content=b"another"), **JSON}
    assert _refused(api(None).post("/firmware/check", content=content, headers=wrong))


def test_who_sends_a_token_is_taken_by_it(device, api):
    headers = device.headers(content=b"something else")
    answer = api("user").get("/firmware/check", params=device.about, headers=headers)
    assert answer.status_code == 200 and "X-HXTP-Signature" not in answer.headers
    assert api(None).get("/firmware/check", params=device.about).json()["error"] == "UNAUTHORIZED"
    wrong = {**device.headers(content=b""), "Authorization": "Bearer nobody"}
    assert api(None).get("/firmware/check", params=device.about, headers=wrong).status_code == 401


@pytest.mark.parametrize("value", [None, "of another form", "0" * 200])
@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_is_missing_or_has_another_form_is_refused_as_a_wrong_signature_is(device, name, value):
    # HX3-PROV-26
    headers = device.headers(content=urlencode(device.about).encode())
    del headers[name]
    if value is not None:
        headers[name] = value
    for method in ("GET", "POST"):
        assert _refused(device.by(method, headers=headers)[0])


def test_who_shows_neither_a_token_nor_a_signature_is_asked_for_a_token(device, api):
    answer = api(None).get("/firmware/check", params=device.about)
    assert (answer.status_code, answer.json()["error"]) == (401, "UNAUTHORIZED")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_an_address_may_ask_so_often(device, monkeypatch):
    monkeypatch.setattr("host_sim.cloud.signed.REQUESTS", 0)
    answer, _ = device.by("GET")
    assert (answer.status_code, answer.json()["error"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert int(answer.headers["Retry-After"]) > 0


def test_the_signed_text_is_that_of_the_public_sdk():
    # HX3-PROV-02: the firmware check's is bootstrap's, under its own name, and the hash behind it
    every = json.loads(Path("tests/vectors/sdk-vectors.json").read_text())
    built = next(one for one in every["vectors"] if one["name"] == "bootstrap-request")
    version, purpose, device, tenant, ms, message_id, nonce = built["canonical"].split("|")
    signed = Signed(int(ms), nonce, message_id, bytes.fromhex(built["hmac_sha256"]))
    assert signed.holds(bytes.fromhex(every["secret_hex"]), purpose, device, tenant)
    expected = f"{version}|firmware-check|{device}|{tenant}|{ms}|{message_id}|{nonce}|{'ab' * 32}"
    assert signed.text("firmware-check", device, tenant, "ab" * 32) == expected.encode()


def test_for_a_device_that_there_is_not_as_much_is_asked_and_opened(cloud, api, kind, monkeypatch):
    # HX3-PROV-03
    asked, opened = [], []
    engine, vault = cloud.services.database.engine, type(cloud.services.vault)
    plain = vault.open

    def note(connection, cursor, statement, *rest):
        if threading.current_thread().name.startswith("AnyIO"):  # for a request
            asked.append(statement)

    monkeypatch.setattr(vault, "open", lambda *given: opened.append("") or plain(*given))
    work = []
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        for name in ({}, {"device_id": "ab" * 16}):
            made = api().post("/device/register", json={"device_type": "esp32"}).json()
            one = Checking(api, kind, {**made, "device_secret": "ab" * 32, **name})
            asked.clear(), opened.clear()
            assert one.by("POST")[0].status_code == 401
            work.append((*asked, *opened))
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    assert work[0] == work[1] and len(work[0]) >= 5
