"""The firmware check of a device: which requests are its own. The answers are in `firmware_answers`."""

from tools.vectors import wire
from tools.vectors.http import (
    ANSWERED,
    FOR_ANSWERS,
    FOR_MQTT,
    NAMES,
    OTHER,
    PURPOSE,
    REFUSED,
    REUSED,
    STALE,
    VERSION,
    Group,
    Request,
    asks,
    body,
    derived,
    query,
    request,
)

POST, GET = request("POST", body()), request("GET", query())
SIGNATURE = POST.headers[NAMES["signature"]]
HASH = wire.sha256(body())
ODD = f'\n{{ "current_version":"1\\u002e1.0",\t"device_id" : "{wire.DEVICE}", "device_type":"esp32" }} '
ESCAPED = f"current_version=1%2E1%2e0&device_id={wire.DEVICE}&device_type=%65sp32"
COMPACT = body().replace(" ", "")
HALF, ZEROS = SIGNATURE[:32], "0" * 64


def flip(at: int) -> str:
    """The signature with another digit there."""
    return SIGNATURE[:at] + ("1" if SIGNATURE[at] == "0" else "0") + SIGNATURE[at + 1 :]


TAKEN = Group(
    "what a device signs",
    "Each is a device's own, signed over what it sends.",
    "request",
    [
        asks("post", "a POST, its body signed", POST, ANSWERED, "Valid"),
        asks("get", "a GET, its query signed", GET, ANSWERED, "Valid"),
        asks(
            "short-id",
            "a message id of one character",
            request("POST", body(), message_id="7"),
            ANSWERED,
            "Valid",
        ),
        asks(
            "post-odd", "white space, order and escapes of its own", request("POST", ODD), ANSWERED, "AsSent"
        ),
        asks("post-compact", "without white space", request("POST", COMPACT), ANSWERED, "AsSent"),
        asks("post-line", "with a line end behind it", request("POST", body() + "\n"), ANSWERED, "AsSent"),
        asks(
            "get-escaped",
            "a query with escapes that need not be",
            request("GET", ESCAPED),
            ANSWERED,
            "AsSent",
        ),
        asks("get-trailing", "a query with an empty end", request("GET", f"{query()}&"), ANSWERED, "AsSent"),
        asks(
            "post-beside-query",
            "a POST with a query that nobody signed: the body is what is asked",
            Request("POST", query(current_version="0.0.1"), POST.body, POST.headers, POST.text),
            ANSWERED,
            "Covered",
        ),
    ],
)

TIMES = Group(
    "time and nonces",
    "300 s back and 60 s ahead, both edges taken; a nonce once.",
    "request",
    [
        asks("age-300000", "exactly 300 s old", POST, ANSWERED, "Time", wire.NOW + 300_000),
        asks("age-300001", "300.001 s old", POST, STALE, "Time", wire.NOW + 300_001),
        asks("age-day", "a day old", GET, STALE, "Time", wire.NOW + 86_400_000),
        asks("ahead-60000", "exactly 60 s ahead", GET, ANSWERED, "Time", wire.NOW - 60_000),
        asks("ahead-60001", "60.001 s ahead", POST, STALE, "Time", wire.NOW - 60_001),
        asks(
            "stale-forged",
            "stale, and not signed",
            POST.having(signature=flip(0)),
            REFUSED,
            "Time",
            wire.NOW + 300_001,
        ),
        asks(
            "stale-bootstrap",
            "stale, and signed for bootstrap",
            POST.over("", VERSION, "bootstrap", wire.DEVICE, wire.TENANT),
            REFUSED,
            "Time",
            wire.NOW + 300_001,
        ),
        asks("reused", "a nonce that was taken", POST, REUSED, "Replay", seen=(wire.NONCE,)),
        asks(
            "reused-id",
            "a nonce that was taken, under another message id and time",
            request("GET", query(), message_id="another", timestamp=str(wire.NOW + 1)),
            REUSED,
            "Replay",
            seen=(wire.NONCE,),
        ),
        asks(
            "reused-forged",
            "a nonce that was taken, and a wrong signature",
            POST.having(signature=flip(63)),
            REFUSED,
            "Replay",
            seen=(wire.NONCE,),
        ),
        asks(
            "other-nonces",
            "other nonces were taken",
            POST,
            ANSWERED,
            "Replay",
            seen=(wire.NONCE[:-1] + "0", "ab" * 16),
        ),
    ],
)

CHANGED = Group(
    "changed after it was signed",
    "The signature is right, and of another request.",
    "request",
    [
        asks("changed-time", "another time", POST.having(timestamp=str(wire.NOW + 1)), REFUSED, "Covered"),
        asks("changed-nonce", "another nonce", POST.having(nonce="ab" * 16), REFUSED, "Covered"),
        asks("changed-id", "another message id", GET.having(message_id="another"), REFUSED, "Covered"),
        *(
            asks(
                f"changed-{method.lower()}-{number}",
                comment,
                Request(method, *content, sent.headers),
                REFUSED,
                flag,
            )
            for method, sent, rows in (
                (
                    "POST",
                    POST,
                    (
                        (("", body(current_version="0.0.1")), "another version in the body", "Covered"),
                        (("", body(device_type="esp8266")), "another type in the body", "Covered"),
                        (("", body(more="x")), "one more member in the body", "Covered"),
                        (("", COMPACT), "the body without its white space", "AsSent"),
                        (("", body() + "\n"), "a line end behind the body", "AsSent"),
                        (("", body().replace("esp32", "ESP32")), "capitals in the body", "AsSent"),
                        (
                            (query(), body(current_version="0.0.1")),
                            "another body, and the right query",
                            "Covered",
                        ),
                    ),
                ),
                (
                    "GET",
                    GET,
                    (
                        ((query(current_version="0.0.1"), None), "another version in the query", "Covered"),
                        ((query(device_type="esp8266"), None), "another type in the query", "Covered"),
                        ((query(more="x"), None), "one more parameter", "Covered"),
                        ((ESCAPED, None), "the query in other escapes and another order", "AsSent"),
                        ((f"{query()}&", None), "an empty end behind the query", "AsSent"),
                        ((query().replace("esp32", "ESP32"), None), "capitals in the query", "AsSent"),
                    ),
                ),
            )
            for number, (content, comment, flag) in enumerate(rows, 1)
        ),
    ],
)

HEAD = (VERSION, PURPOSE, wire.DEVICE, wire.TENANT)
TEXTS = Group(
    "signed over another text",
    "The key is right, and the text is not this request's.",
    "request",
    [
        asks(f"text-{id}", comment, sent, REFUSED, "SignedText")
        for id, comment, sent in (
            (
                "bootstrap",
                "bootstrap's text, which has no hash",
                POST.over("", VERSION, "bootstrap", *HEAD[2:]),
            ),
            ("bootstrap-hash", "bootstrap's purpose", POST.over(f"|{HASH}", VERSION, "bootstrap", *HEAD[2:])),
            (
                "answer",
                "the purpose of an answer",
                POST.over(f"|{HASH}", VERSION, f"{PURPOSE}-answer", *HEAD[2:]),
            ),
            ("no-hash", "no hash", POST.over("")),
            ("empty-hash", "an empty hash", POST.over("|")),
            ("hash-of-nothing", "the hash of nothing", POST.over(f"|{wire.sha256('')}")),
            (
                "hash-of-nothing-get",
                "the hash of nothing, since a GET has no body",
                GET.over(f"|{wire.sha256('')}"),
            ),
            ("hash-capitals", "the hash in capitals", POST.over(f"|{HASH.upper()}")),
            (
                "hash-with-mark",
                "the query with its question mark",
                GET.over(f"|{wire.sha256(f'?{query()}')}"),
            ),
            ("content", "the body itself", POST.over(f"|{body()}")),
            ("rewritten", "the body as another writer has it", POST.over(f"|{wire.sha256(COMPACT)}")),
            ("line-end", "a line end behind the text", POST.over(f"|{HASH}\n")),
            ("other-tenant", "another tenant", POST.over(f"|{HASH}", *HEAD[:3], "another")),
            ("no-tenant", "no tenant", POST.over(f"|{HASH}", *HEAD[:3])),
            ("other-device", "another device", POST.over(f"|{HASH}", *HEAD[:2], OTHER, wire.TENANT)),
            ("other-version", "another version", POST.over(f"|{HASH}", "HxTP/3.1", *HEAD[1:])),
            ("no-version", "no version", POST.over(f"|{HASH}", *HEAD[1:])),
            (
                "swapped",
                "nonce and message id the other way round",
                POST.signed("|".join((*HEAD, str(wire.NOW), wire.NONCE, wire.MESSAGE, HASH))),
            ),
            (
                "seconds",
                "the time in seconds",
                POST.signed("|".join((*HEAD, str(wire.NOW // 1000), wire.MESSAGE, wire.NONCE, HASH))),
            ),
        )
    ],
)

KEYS = Group(
    "signed by another key",
    "The text is right, and the key or the digits are not.",
    "request",
    [
        *(
            asks(f"key-{id}", comment, POST.over(f"|{HASH}", key=key), REFUSED, "Hmac")
            for id, comment, key in (
                ("stranger", "another device's secret", wire.STRANGER),
                ("digits", "the hexadecimal digits of the secret", wire.ACTIVE.hex().encode()),
                ("answers", "the key for answers", derived(wire.ACTIVE, FOR_ANSWERS)),
                ("mqtt", "the key for MQTT passwords", derived(wire.ACTIVE, FOR_MQTT)),
            )
        ),
        *(
            asks(
                f"digit-{at}",
                f"digit {at} of the signature is another",
                POST.having(signature=flip(at)),
                REFUSED,
                "Hmac",
            )
            for at in (0, 31, 32, 63)
        ),
        asks("zeros", "a signature of zeros", POST.having(signature=ZEROS), REFUSED, "Hmac"),
        asks("half", "half of the signature", POST.having(signature=HALF), REFUSED, "Hmac"),
        asks("twice", "the signature twice", POST.having(signature=SIGNATURE * 2), REFUSED, "Hmac"),
    ],
)


def named(name: str | None, signer: str, key: bytes) -> Request:
    """A POST that names one device, and is signed for another."""
    content = body(device_id=name)
    head = (*HEAD[:2], signer, wire.TENANT)
    return request("POST", content).over(f"|{wire.sha256(content)}", *head, key=key)


DEVICES = Group(
    "who it names",
    "The device in what is signed is the one whose secret signs.",
    "request",
    [
        asks(f"names-{id}", comment, sent, REFUSED, "WrongDevice")
        for id, comment, sent in (
            ("other", "another device, which did not sign", named(OTHER, wire.DEVICE, wire.ACTIVE)),
            (
                "other-signed-for",
                "another device, for which this one signs",
                named(OTHER, OTHER, wire.ACTIVE),
            ),
            ("unknown", "a device that there is not", named("0" * 32, "0" * 32, wire.ACTIVE)),
            ("none", "no device", named(None, wire.DEVICE, wire.ACTIVE)),
            ("none-in-query", "no device, in a query", request("GET", query(device_id=None))),
        )
    ]
    + [
        asks(
            "names-second",
            "another device, and signed by that",
            named(OTHER, OTHER, wire.STRANGER),
            ANSWERED,
            "Valid",
        )
    ],
)

HEADERS = Group(
    "headers",
    "Each has to be there, and to have its form.",
    "request",
    [
        *(
            asks(
                f"without-{name.replace('_', '-')}",
                f"without {header}",
                sent.having(**{name: None}),
                REFUSED,
                "Header",
            )
            for sent, (name, header) in zip((POST, GET, POST, GET, POST), NAMES.items(), strict=True)
        ),
        asks(
            "empty-nonce",
            "an empty nonce, signed as such",
            request("POST", body(), nonce=""),
            REFUSED,
            "Header",
        ),
        asks(
            "empty-id",
            "an empty message id, signed as such",
            request("POST", body(), message_id=""),
            REFUSED,
            "Header",
        ),
        asks("version", "the version 3.1", POST.having(version="HxTP/3.1"), REFUSED, "Header"),
        asks("version-bare", "the version without its name", GET.having(version="3.0"), REFUSED, "Header"),
        *(
            asks(
                f"time-{id}",
                f"{text!r} for a time, signed as such",
                request("POST", body(), timestamp=text),
                REFUSED,
                "Header",
            )
            for id, text in (("words", "soon"), ("fraction", f"{wire.NOW}.0"), ("negative", f"-{wire.NOW}"))
        ),
    ],
)

GROUPS = [TAKEN, TIMES, CHANGED, TEXTS, KEYS, DEVICES, HEADERS]
