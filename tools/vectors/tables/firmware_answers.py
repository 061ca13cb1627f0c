"""The firmware check of a device: which answers are its cloud's."""

from tools.vectors import wire
from tools.vectors.http import (
    FOR_ANSWERS,
    FOR_MQTT,
    NAMES,
    OTHER,
    PURPOSE,
    Answer,
    Group,
    answer,
    body,
    derived,
    request,
    says,
)
from tools.vectors.tables.firmware_check import GET, POST, SIGNATURE

NEWS = '{"current_version":"1.1.0","device_type":"esp32","update_available":true,"version":"1.2.0"}'
NONE = '{"current_version":"1.1.0","device_type":"esp32","update_available":false}'
TIME = f'{{"server_time":{wire.NOW + 1000}}}'
WRONG = '{"error":"BAD_REQUEST","message":"current_version is missing"}'
AGAIN = '{"error":"NONCE_REUSED","message":"this request was answered before"}'
RIGHT = answer(POST, NEWS)
LATER = request("POST", body(), nonce="ab" * 16, message_id="another", timestamp=str(wire.NOW + 60_000))

TRUSTED = Group(
    "answers of the cloud",
    "Signed by the key for answers, and to the request that waits.",
    "answer",
    [
        says("update", "there is an update", RIGHT, True, "Valid"),
        says("none", "there is none, asked by GET", answer(GET, NONE), True, "Valid"),
        says("error", "an error", answer(POST, WRONG, 400), True, "Valid"),
        says("reused", "the nonce was taken", answer(POST, AGAIN, 401), True, "Valid"),
        says("time", "the time, for a stale request", answer(POST, TIME), True, "Valid"),
        says("spaced", "a body with white space", answer(POST, NEWS.replace(",", ", ")), True, "AsSent"),
        says(
            "later",
            "a cloud whose clock is an hour ahead: this is how a device learns it",
            answer(POST, NEWS, server_ms=wire.NOW + 3_600_000),
            True,
            "Valid",
        ),
    ],
)

DISTRUSTED = Group(
    "answers of anybody else",
    "To a device each of these is a network failure.",
    "answer",
    [
        says("unsigned", "no signature", RIGHT.having(signature=None), False, "Covered"),
        says(
            "unsigned-401",
            "a refusal without a signature",
            answer(POST, AGAIN, 401).having(signature=None),
            False,
            "Covered",
        ),
        says("no-time", "no time", RIGHT.having(timestamp=None), False, "Covered"),
        says(
            "other-time",
            "another time than was signed",
            RIGHT.having(timestamp=str(wire.NOW)),
            False,
            "Covered",
        ),
        says(
            "other-status",
            "another status than was signed",
            Answer(POST, 404, NEWS, RIGHT.headers),
            False,
            "Covered",
        ),
        says(
            "error-as-success",
            "an error that is sent as a success",
            Answer(POST, 200, WRONG, answer(POST, WRONG, 400).headers),
            False,
            "Covered",
        ),
        says(
            "other-body",
            "another body than was signed",
            Answer(POST, 200, NEWS.replace("1.2.0", "1.0.0"), RIGHT.headers),
            False,
            "Covered",
        ),
        says(
            "rewritten",
            "the body written anew",
            Answer(POST, 200, NEWS.replace(":", ": "), RIGHT.headers),
            False,
            "AsSent",
        ),
        says("no-body", "no body", Answer(POST, 200, "", RIGHT.headers), False, "Covered"),
        says("older", "an answer to an earlier request", RIGHT, False, "OtherAnswer", LATER),
        says(
            "other-nonce", "an answer to another nonce", RIGHT.signed(nonce="ab" * 16), False, "OtherAnswer"
        ),
        says(
            "other-id",
            "an answer to another message id",
            RIGHT.signed(message_id="another"),
            False,
            "OtherAnswer",
        ),
        says(
            "no-request",
            "an answer to no request",
            RIGHT.signed(nonce=None, message_id=None),
            False,
            "OtherAnswer",
        ),
        says(
            "other-device", "an answer for another device", RIGHT.signed(device=OTHER), False, "OtherAnswer"
        ),
        says(
            "other-tenant",
            "an answer for another tenant",
            RIGHT.signed(tenant="another"),
            False,
            "OtherAnswer",
        ),
        says(
            "bootstrap",
            "an answer of bootstrap",
            RIGHT.signed(purpose="bootstrap-answer"),
            False,
            "OtherAnswer",
        ),
        says("as-request", "signed as a request", RIGHT.signed(purpose=PURPOSE), False, "SignedText"),
        says(
            "mirrored", "the request's own signature", RIGHT.having(signature=SIGNATURE), False, "SignedText"
        ),
        says("no-status", "signed without its status", RIGHT.signed(status=None), False, "SignedText"),
        says("no-hash", "signed without its body", RIGHT.signed(hash=None), False, "SignedText"),
        says("body-itself", "signed over the body itself", RIGHT.signed(hash=NEWS), False, "SignedText"),
        says("secret", "signed by the secret itself", RIGHT.signed(key=wire.ACTIVE), False, "Hmac"),
        says(
            "other-secret",
            "by the key for answers of another device",
            RIGHT.signed(key=derived(wire.STRANGER, FOR_ANSWERS)),
            False,
            "Hmac",
        ),
        says(
            "mqtt-key",
            "by the key for MQTT passwords",
            RIGHT.signed(key=derived(wire.ACTIVE, FOR_MQTT)),
            False,
            "Hmac",
        ),
        says(
            "half",
            "half of the signature",
            RIGHT.having(signature=RIGHT.headers[NAMES["signature"]][:32]),
            False,
            "Hmac",
        ),
    ],
)

GROUPS = [TRUSTED, DISTRUSTED]
