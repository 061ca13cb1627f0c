"""Bootstrap: a device asks under its key where its broker is, and trusts an answer to its request alone."""

import time

import pytest
from cryptography import x509

from host_sim.cloud.settings import Settings
from host_sim.pki import NAMES, make_pki
from hxtp.sign import mqtt_password
from tests.cloud.asking import Asking


@pytest.fixture
def registered(api):
    return Asking(api().post("/device/register", json={"device_type": "esp32"}).json())


@pytest.fixture
def get(api):
    def ask(asking, headers):
        return api(None).get(f"/device/{asking.device}/bootstrap", headers=headers)

    return ask


def test_a_device_learns_its_broker_the_time_and_the_ca(registered, get, cloud):
    # HX3-PROV-05, HX3-PROV-07, HX3-KEY-05
    headers = registered.headers()
    answer = get(registered, headers)
    assert answer.status_code == 200 and registered.trusts(answer, headers)
    told = answer.json()
    assert told["mqtt_endpoint"] == f"mqtts://127.0.0.1:{cloud.broker.server.port}"
    assert told["heartbeat_interval"] == 30 and abs(told["server_time"] / 1000 - time.time()) < 60
    assert told["ca"] == [cloud.pki.ca.read_text()]
    assert answer.headers["X-HXTP-Timestamp"] == str(told["server_time"])
    # The expiry that it names opens the broker.
    password = mqtt_password(registered.secret, registered.device, told["password_expiry"])
    assert cloud.broker.server.broker.authority.authenticate(
        f"hxtp-{registered.device}", registered.device, password.encode(), told["server_time"]
    )


def test_a_device_is_told_the_public_address_where_there_is_one(
    registered, get, cloud, monkeypatch, tmp_path
):
    # HX3-PROV-07: behind a router or in a container the cloud reaches its broker otherwise than devices do.
    for given, told in (
        ("mqtts://broker.example", "mqtts://broker.example:8883"),
        ("mqtts://[2001:db8::1]:8884/", "mqtts://[2001:db8::1]:8884"),
    ):
        monkeypatch.setattr(cloud.settings, "public_broker", given)
        assert get(registered, registered.headers()).json()["mqtt_endpoint"] == told
        assert cloud.broker_url == told
    other = make_pki(tmp_path, ("broker.example",))
    monkeypatch.setattr(cloud.settings, "public_broker_ca", str(other.ca))
    monkeypatch.setattr(cloud.settings, "heartbeat_s", 120)
    answer = get(registered, registered.headers()).json()
    assert (answer["ca"], answer["heartbeat_interval"]) == ([other.ca.read_text()], 120)


def test_the_development_certificate_is_for_the_public_names(tmp_path):
    settings = Settings(
        host="0.0.0.0", public_url="https://cloud.example/api/v1", public_broker="mqtts://192.0.2.7:8883"
    )
    names = settings.names(NAMES)
    first = make_pki(tmp_path, NAMES)
    before = first.certificate.read_bytes(), first.ca.read_bytes()
    again = make_pki(tmp_path, names)
    certificate = x509.load_pem_x509_certificate(again.certificate.read_bytes())
    told = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert told.get_values_for_type(x509.DNSName) == ["localhost", "cloud.example"]
    assert {str(one) for one in told.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1", "192.0.2.7"}
    assert again.certificate.read_bytes() != before[0] and again.ca.read_bytes() == before[1]
    kept = again.certificate.read_bytes()
    assert make_pki(tmp_path, NAMES).certificate.read_bytes() == kept, "of those names it is as well"


def test_a_request_is_answered_once(registered, get):
    # HX3-PROV-03, HX3-PROV-26
    headers = registered.headers()
    assert get(registered, headers).status_code == 200
    again = get(registered, headers)
    assert (again.status_code, again.json()["error"]) == (401, "NONCE_REUSED")
    assert registered.trusts(again, headers) and "mqtt_endpoint" not in again.json()


@pytest.mark.parametrize("age", [301000, -62000, 10**12])
def test_a_device_with_a_wrong_clock_learns_the_time_and_nothing_else(registered, get, age):
    # HX3-PROV-04
    headers = registered.headers(age)
    answer = get(registered, headers)
    assert answer.status_code == 200 and registered.trusts(answer, headers)
    assert list(answer.json()) == ["server_time"]
    at_once = registered.headers(age)
    refused = get(registered, at_once)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
    assert registered.trusts(refused, at_once)
    # Having the time it is served at once.
    assert "mqtt_endpoint" in get(registered, registered.headers()).json()


def test_a_device_that_is_unknown_revoked_or_forged_gets_the_same_refusal(registered, get, api):
    # HX3-PROV-26
    def refusal(asking, headers):
        answer = get(asking, headers)
        body = answer.json()
        body.pop("request_id")
        assert answer.headers["WWW-Authenticate"] == "HxTP"
        return answer.status_code, body, "X-HXTP-Signature" in answer.headers

    forged = dict(registered.headers(), **{"X-HXTP-Signature": "0" * 64})
    expected = refusal(registered, forged)
    assert expected[0] == 401 and expected[1]["error"] == "SIGNATURE_INVALID" and not expected[2]
    other = Asking(api().post("/device/register", json={"device_type": "esp32"}).json())
    swapped = Asking({"device_id": other.device, "tenant_id": other.tenant, "device_secret": "ab" * 32})
    unknown = Asking({"device_id": "f" * 32, "tenant_id": other.tenant, "device_secret": "ab" * 32})
    elsewhere = Asking({"device_id": other.device, "tenant_id": "x", "device_secret": other.secret.hex()})
    for asking in (swapped, unknown, elsewhere):
        assert refusal(asking, asking.headers()) == expected
    api().post(f"/device/{other.device}/revoke")
    assert refusal(other, other.headers()) == expected


def test_nothing_is_remembered_of_a_request_whose_signature_fails(registered, get):
    # HX3-PROV-03
    headers = registered.headers()
    assert get(registered, dict(headers, **{"X-HXTP-Signature": "0" * 64})).status_code == 401
    assert get(registered, headers).status_code == 200


@pytest.mark.parametrize(
    "header, value",
    [
        ("X-HXTP-Version", "HxTP/3.1"),
        ("X-HXTP-Version", None),
        ("X-HXTP-Timestamp", "soon"),
        ("X-HXTP-Timestamp", "01"),
        ("X-HXTP-Timestamp", "9007199254740992"),
        ("X-HXTP-Timestamp", "1" * 5000),
        ("X-HXTP-Nonce", "ab" * 15),
        ("X-HXTP-Nonce", "ab" * 33),
        ("X-HXTP-Nonce", None),
        ("X-HXTP-Message-ID", "a|b"),
        ("X-HXTP-Message-ID", "a" * 37),
        ("X-HXTP-Signature", "AB" * 32),
        ("X-HXTP-Signature", "0" * 64),
        ("X-HXTP-Signature", None),
    ],
)
def test_a_header_that_is_missing_or_has_another_form_is_refused_as_a_wrong_signature_is(
    registered, get, caplog, header, value
):
    # HX3-PROV-26
    forged = get(registered, {**registered.headers(), "X-HXTP-Signature": "0" * 64})
    headers = registered.headers()
    headers.pop(header)
    if value is not None:
        headers[header] = value
    with caplog.at_level("DEBUG", "host_sim.cloud.signed"):
        answer = get(registered, headers)
    assert answer.status_code == forged.status_code == 401
    assert {**answer.json(), "request_id": ""} == {**forged.json(), "request_id": ""}
    assert answer.headers["WWW-Authenticate"] == "HxTP" and "X-HXTP-Signature" not in answer.headers
    # Whoever runs the cloud can see which it was, where they look.
    assert value == "0" * 64 or f"no bootstrap: {header} is not" in caplog.text


def test_bootstrap_under_a_new_secret_promotes_it_and_is_answered_under_it(registered, get, api):
    new = Asking(
        {
            "device_id": registered.device,
            "tenant_id": registered.tenant,
            "device_secret": api().post(f"/device/{registered.device}/rotate-secret").json()["new_secret"],
        }
    )
    headers = registered.headers()
    assert registered.trusts(get(registered, headers), headers)
    headers = new.headers(10**12)  # also where its clock is wrong
    assert new.trusts(get(new, headers), headers)
    history = api().get(f"/device/{registered.device}/key-history").json()["keys"]
    assert [key["slot"] for key in history] == ["active", "previous"]
    # What the old one still asks is answered under the new one: the cloud never falls back.
    headers = registered.headers()
    answer = get(registered, headers)
    assert (
        answer.status_code == 200 and new.trusts(answer, headers) and not registered.trusts(answer, headers)
    )


def test_a_tenants_own_limits_of_age_hold(registered, get, api):
    assert api().patch("/tenant/settings", json={"max_age_s": 30}).status_code == 200
    headers = registered.headers(40000)
    assert list(get(registered, headers).json()) == ["server_time"]
    api().patch("/tenant/settings", json={"max_age_s": None})


def test_an_address_may_ask_so_often(registered, get, cloud, monkeypatch):
    monkeypatch.setattr("host_sim.cloud.signed.REQUESTS", 0)
    answer = get(registered, registered.headers())
    assert (answer.status_code, answer.json()["error"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert int(answer.headers["Retry-After"]) > 0
