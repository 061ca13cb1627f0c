"""What a cloud answers to a firmware check that its device signs, and what of it it signs."""

import json
from urllib.parse import urlencode

from host_sim.conformance.case import Failed, case, expect
from host_sim.conformance.cloud.checks import AGO, AHEAD, METHODS, PURPOSE, Checks
from host_sim.conformance.cloud.device import Device
from host_sim.conformance.draft import flipped

GROUP = "Firmware checks: answers"
LIMIT = 200.0  # s: the cloud may limit requests, and has the kit wait then
RARELY = 5500  # ms: the time is told once in 5 s


@case(
    "cloud-check-answered",
    "a check by POST or GET is answered to this very request, signed by the key for answers",
    ("HX3-PROV-02", "HX3-PROV-05"),
    limit=LIMIT,
    group=GROUP,
)
def answered(device: Device) -> None:
    checks = Checks(device)
    for method in METHODS:
        members = checks.expect_told(checks.check(method), f"a check by {method}").members
        for name in ("device_type", "current_version"):
            if name in members:  # a cloud need not say it again
                expect(name, checks.about[name], members[name])


@case(
    "cloud-check-answer-time",
    "an answer tells when the cloud answered, and not when it was asked",
    ("HX3-PROV-05",),
    limit=LIMIT,
    group=GROUP,
)
def answer_time(device: Device) -> None:
    checks = Checks(device)
    reply = checks.expect_told(checks.check(age=100000), "a check of 100 s ago")
    told = reply.answer.headers.get("x-hxtp-timestamp", "")
    checks.expect_now(int(told) if told.isdecimal() else told, "X-HXTP-Timestamp")


@case(
    "cloud-check-error-signed",
    "an error is signed as well, once the signature of the request holds",
    ("HX3-PROV-05",),
    limit=LIMIT,
    group=GROUP,
)
def error_signed(device: Device) -> None:
    checks = Checks(device)
    for about in (
        {"device_id": device.device_id},
        {"device_id": device.device_id, "device_type": "conformance", "current_version": "soon"},
    ):
        for method in METHODS:
            content = urlencode(about) if method == "GET" else json.dumps(about)
            reply = checks.ask(checks.check(method, content.encode()))
            checks.expect_trusted(reply, f"a {method} of a known device that makes no sense")


@case(
    "cloud-check-replayed",
    "a nonce is taken once: under another time and id, and by another method, it is told as reused",
    ("HX3-SEQ-07", "HX3-PROV-26"),
    limit=LIMIT,
    group=GROUP,
)
def replayed(device: Device) -> None:
    checks = Checks(device)
    for method, other in zip(METHODS, reversed(METHODS), strict=True):
        check = checks.check(method)
        checks.expect_told(check, "a check")
        checks.expect_reused(check, "the same check again")
        nonce = check.headers["X-HXTP-Nonce"]
        checks.expect_reused(checks.check(method, nonce=nonce), "a new check with a nonce that was used")
        checks.expect_reused(checks.check(other, nonce=nonce), f"a {other} with the nonce of a {method}")


@case(
    "cloud-check-nonce-kept",
    "a nonce is still known after 590 s",
    ("HX3-SEQ-07", "HX3-PROV-03"),
    ("slow",),
    limit=800,
    group=GROUP,
)
def nonce_kept(device: Device) -> None:
    checks = Checks(device)
    check = checks.check()
    checks.expect_told(check, "a check")
    device.wait(590000)
    again = checks.check(nonce=check.headers["X-HXTP-Nonce"])
    checks.expect_reused(again, "a check with a nonce that was used 590 s ago")


@case(
    "cloud-check-clock",
    "a check may be 290 s old or 50 s ahead",
    ("HX3-PROV-03", "HX3-VAL-05"),
    limit=LIMIT,
    group=GROUP,
)
def clock(device: Device) -> None:
    checks = Checks(device)
    checks.expect_told(checks.check(age=290000), "a check of 290 s ago")
    checks.expect_told(checks.check(age=-50000), "a check of 50 s ahead")


@case(
    "cloud-check-stale",
    "a check with a stale time is answered by the time, signed, and nothing else; its nonce stays good",
    ("HX3-PROV-03", "HX3-PROV-04"),
    limit=LIMIT,
    group=GROUP,
)
def stale(device: Device) -> None:
    checks = Checks(device)
    for age in (AGO, -AHEAD):
        device.wait(RARELY)  # the case before may have had the time told
        check = checks.check(age=age)
        checks.expect_time(check, "a stale check")
        checks.expect_told(checks.check(nonce=check.headers["X-HXTP-Nonce"]), "the nonce of a stale check")


@case(
    "cloud-check-stale-rarely",
    "the time is told once in 5 s; who asks sooner is refused, signed, and learns nothing",
    ("HX3-PROV-04", "HX3-PROV-05"),
    limit=LIMIT,
    group=GROUP,
)
def stale_rarely(device: Device) -> None:
    checks = Checks(device)
    device.wait(RARELY)
    checks.expect_time(checks.check(age=AGO), "a stale check")
    for method in METHODS:
        reply = checks.ask(checks.check(method, age=AGO))
        checks.expect_trusted(reply, "a second stale check within 5 s")
        if not 400 <= reply.status < 500 or reply.told or "server_time" in reply.members:
            raise Failed("a second stale check within 5 s to be refused", str(reply))
    checks.expect_told(checks.check(), "a check with the right time meanwhile")
    device.wait(RARELY)
    checks.expect_time(checks.check(age=AGO), "a stale check 5 s later")


@case(
    "cloud-check-stale-forged",
    "a stale check that nobody signed learns no time, and keeps the device from none",
    ("HX3-PROV-04", "HX3-PROV-26"),
    limit=LIMIT,
    group=GROUP,
)
def stale_forged(device: Device) -> None:
    checks = Checks(device)
    device.wait(RARELY)
    for age in (AGO, -AHEAD):
        check = checks.check(age=age)
        forged = check.sending(signature=flipped(check.headers["X-HXTP-Signature"], 0))
        checks.expect_refused(forged, "a stale check with a wrong signature")
        other = check.signing("bootstrap", *check.names[1:])
        checks.expect_refused(other, f"a stale check that was not signed as {PURPOSE}")
    checks.expect_time(checks.check(age=AGO), "a stale check")
