"""Which firmware checks a cloud takes for its device's: by the signature, and by what it covers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from host_sim.conformance.case import Failed, case, expect
from host_sim.conformance.cloud.checks import METHODS, PURPOSE, Checks, Reply, header
from host_sim.conformance.cloud.device import Device
from host_sim.conformance.cloud.suite.check_answers import LIMIT
from host_sim.conformance.draft import flipped
from host_sim.conformance.endpoint import Identity
from hxtp.sign import Key, derive

GROUP = "Firmware checks: requests"


@contextmanager
def another(device: Device) -> Iterator[Identity]:
    """One more device of the tenant, for the time of a case."""
    made = device.line.api().register()
    try:
        yield made
    finally:
        device.line.api().revoke(made.device_id)


@case(
    "cloud-check-forged",
    "a check with a wrong signature is refused by an unsigned 401",
    ("HX3-PROV-03", "HX3-PROV-26"),
    limit=LIMIT,
    group=GROUP,
)
def forged(device: Device) -> None:
    checks = Checks(device)
    for method in METHODS:
        check = checks.check(method)
        signature = check.headers["X-HXTP-Signature"]
        for at in (0, 31, 32, 63):
            wrong = check.sending(signature=flipped(signature, at))
            checks.expect_refused(wrong, f"a {method} whose signature differs in digit {at}")
        checks.expect_refused(check.signing(key=Key(device.random(32))), "a check signed by a stranger")
        checks.expect_refused(check.sending(signature="0" * 64), "a check with a signature of zeros")


@case(
    "cloud-check-forged-leaves-nothing",
    "a forged check uses no nonce up",
    ("HX3-PROV-03",),
    limit=LIMIT,
    group=GROUP,
)
def forged_leaves_nothing(device: Device) -> None:
    checks = Checks(device)
    for method in METHODS:
        check = checks.check(method)
        checks.expect_refused(check.signing(key=Key(device.random(32))), "a check signed by a stranger")
        checks.expect_told(check, "the check whose nonce a stranger had sent")


@case(
    "cloud-check-signed-text",
    "a signature over another text, or by another key that is made of the secret, does not hold",
    ("HX3-PROV-02", "HX3-KEY-02"),
    limit=LIMIT,
    group=GROUP,
)
def signed_text(device: Device) -> None:
    checks = Checks(device)
    check = checks.check()
    _, name, tenant = check.names
    answers = Key(derive(device.secret, b"hxtp/3.0 http-answer"))
    for what, wrong in (
        ("bootstrap's purpose", check.signing("bootstrap", name, tenant)),
        ("bootstrap's text", check.signing("bootstrap", name, tenant, over="")),
        ("the purpose of an answer", check.signing(f"{PURPOSE}-answer", name, tenant)),
        ("another tenant", check.signing(PURPOSE, name, f"{tenant}x")),
        ("another device", check.signing(PURPOSE, "f" * 32, tenant)),
        ("no hash", check.signing(over="")),
        ("an empty hash", check.signing(over="|")),
        ("the hash of nothing", check.signing(over=b"")),
        ("the content itself", check.signing(over=f"|{(check.content or b'').decode()}")),
        ("the key for answers", check.signing(key=answers)),
        ("the secret's hexadecimal digits", check.signing(key=Key(device.secret.hex().encode()))),
    ):
        checks.expect_refused(wrong, f"a check signed with {what}")


@case(
    "cloud-check-headers-covered",
    "time, nonce and message id cannot be changed after they were signed",
    ("HX3-PROV-02",),
    limit=LIMIT,
    group=GROUP,
)
def headers_covered(device: Device) -> None:
    checks = Checks(device)
    for method in METHODS:
        check, other = checks.check(method, age=1000), checks.check(method)
        for name in ("timestamp", "nonce", "message_id"):
            changed = check.sending(**{name: other.headers[header(name)]})
            checks.expect_refused(changed, f"a {method} whose {name} was changed")
        checks.expect_told(check, "what was not changed")


@case(
    "cloud-check-content-covered",
    "nothing that is asked can be changed after it was signed",
    ("HX3-PROV-02",),
    limit=LIMIT,
    group=GROUP,
)
def content_covered(device: Device) -> None:
    checks = Checks(device)
    for name, value in (("device_type", "another"), ("current_version", "0.0.1"), ("more", "x")):
        about = {**checks.about, name: value}
        check = checks.check("POST")
        changed = check.sending(content=json.dumps(about).encode())
        checks.expect_refused(changed, f"a POST whose {name} was changed")
        check = checks.check("GET")
        checks.expect_refused(check.sending(query=urlencode(about)), f"a GET whose {name} was changed")


@case(
    "cloud-check-as-sent",
    "the hash is of the bytes as they are sent, whatever their white space, order and escapes",
    ("HX3-PROV-02",),
    limit=LIMIT,
    group=GROUP,
)
def as_sent(device: Device) -> None:
    checks = Checks(device)
    id, plain = device.device_id, json.dumps(checks.about)
    odd = f'\n{{ "current_version":"1\\u002e0.0",\t"device_id" : "{id}", "device_type":"conformance" }} '
    for what, content in (("an odd body", odd), ("a compact one", plain.replace(" ", ""))):
        check = checks.check("POST", content.encode())
        checks.expect_refused(check.sending(content=plain.encode()), f"{what} that was written anew")
        checks.expect_told(check, what)
    check = checks.check("POST")
    for changed in (f"{plain}\n", f" {plain}", plain.replace("conformance", "CONFORMANCE")):
        checks.expect_refused(check.sending(content=changed.encode()), f"{changed!r} for {plain!r}")
    query = urlencode(checks.about)
    odd = f"current_version=1%2E0%2e0&device_id={id}&device_type=%63onformance"
    check = checks.check("GET", odd.encode())
    checks.expect_refused(check.sending(query=query), "an odd query that was written anew")
    checks.expect_told(check, "an odd query")
    check = checks.check("GET")
    for changed in (f"{query}&", f"&{query}", odd, query.replace("conformance", "CONFORMANCE")):
        checks.expect_refused(check.sending(query=changed), f"{changed!r} for {query!r}")


@case(
    "cloud-check-nothing-beside",
    "what the hash does not cover is not answered: a query beside a body, and a body beside a query",
    ("HX3-PROV-02",),
    limit=LIMIT,
    group=GROUP,
)
def nothing_beside(device: Device) -> None:
    checks = Checks(device)
    other = {**checks.about, "device_type": "unsigned", "current_version": "0.0.1"}

    def by_the_body(reply: Reply, what: str) -> None:
        for name in ("device_type", "current_version"):
            if reply.members.get(name) == other[name]:
                raise Failed(f"no answer to what nobody signed, {what}", str(reply))

    post = checks.check("POST")
    reply = checks.ask(post.sending(query=urlencode(other)))
    checks.expect_trusted(reply, "a POST with its body signed, and a query beside it")
    by_the_body(reply, "a query beside a body")
    unsigned = json.dumps(checks.about).encode()
    post = checks.check("GET", urlencode(other).encode()).sending("POST", content=unsigned)
    checks.expect_refused(post, "a POST whose query is signed, and not its body")
    get = checks.check("POST").sending("GET", urlencode(other))
    by_the_body(checks.ask(get), "the query of a GET whose body is signed")


@case(
    "cloud-check-other-device",
    "a device's secret signs for that device and for no other",
    ("HX3-PROV-02", "HX3-PROV-26"),
    limit=LIMIT,
    group=GROUP,
)
def other_device(device: Device) -> None:
    checks = Checks(device)
    with another(device) as other:
        for method in METHODS:
            check = checks.check(method)
            checks.expect_refused(check.signing(key=Key(other.secret)), "a check by another device's secret")
            about = {**checks.about, "device_id": other.device_id}
            content = urlencode(about) if method == "GET" else json.dumps(about)
            check = checks.check(method, content.encode())
            checks.expect_refused(check, "a check that names another device than has signed")
            named = check.signing(PURPOSE, other.device_id, other.tenant_id)
            checks.expect_refused(named, "a check that names and signs another device, by this one's secret")


@case(
    "cloud-check-same-refusal",
    "an unknown device, a revoked one, none at all and a forged signature are refused alike",
    ("HX3-PROV-26", "HX3-PROV-03"),
    limit=LIMIT,
    group=GROUP,
)
def same_refusal(device: Device) -> None:
    checks = Checks(device)

    def refusal(name: str | None, secret: bytes, what: str) -> tuple[object, list[str]]:
        about = {key: value for key, value in {**checks.about, "device_id": name}.items() if value}
        check = checks.check("POST", json.dumps(about).encode())
        signed = check.signing(PURPOSE, name or device.device_id, device.tenant_id, key=Key(secret))
        reply = checks.expect_refused(signed, what)
        return reply.members.get("error"), sorted(reply.members)

    with another(device) as revoked:
        device.line.api().revoke(revoked.device_id)
        expected = refusal(device.device_id, device.random(32), "a check with a wrong signature")
        for name, secret, what in (
            (device.random(16).hex(), device.secret, "a check of an unknown device"),
            (revoked.device_id, revoked.secret, "a check of a revoked device"),
            (None, device.secret, "a check that names no device"),
        ):
            expect(f"the refusal of {what}", expected, refusal(name, secret, what))


@case(
    "cloud-check-malformed",
    "a check of another version, without one of its headers, or with an ill-formed one, is refused likewise",
    ("HX3-PROV-26", "HX3-PROV-03"),
    limit=LIMIT,
    group=GROUP,
)
def malformed(device: Device) -> None:
    checks = Checks(device)
    for method in METHODS:
        check = checks.check(method)
        half = check.headers["X-HXTP-Signature"][:32]
        wrong = [(check.sending(version=each), f"of version {each}") for each in ("HxTP/3.1", "HxTP/2.0")]
        wrong.append((check.sending(signature=half), "with half a signature"))
        for each in ("soon", "1.5", "-1"):
            wrong.append((checks.check(method, timestamp=each), f"with the timestamp {each}"))
        for name in ("version", "timestamp", "nonce", "message_id", "signature"):
            wrong.append((check.sending(**{name: None}), f"without {name}"))
            wrong.append((check.sending(**{name: ""}), f"with an empty {name}"))
        for each, what in wrong:
            checks.expect_refused(each, f"a {method} {what}")
