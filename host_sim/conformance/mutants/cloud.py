"""Broken clouds: the gateway, with the Link of each device spoiled in one place.

Each row names the case that is there to catch it; others may as well.
"""

from types import SimpleNamespace
from typing import Any

from host_sim.conformance.case import Case
from host_sim.conformance.cloud import simulated
from host_sim.conformance.mutants import faults as by
from host_sim.conformance.mutants.device import Broken, opened
from host_sim.conformance.mutants.spoiling import (
    accepting,
    after,
    around,
    before,
    judging,
    parsing,
    reading,
    setting,
)
from host_sim.conformance.running import Mutant
from hxtp import cloud, errors


def window(link: Any) -> Any:
    return link._slots[0][1]


def numbers(rule: Any) -> Any:
    """`rule(window, number)` decides which numbers are taken."""

    def spoil(link: Any) -> None:
        link._slots[0] = (link._slots[0][0], _Window(rule, window(link)))
        link._verifier.slots = link._slots

    return spoil


class _Window:
    def __init__(self, rule: Any, real: Any) -> None:
        self._rule, self._real = rule, real
        self.nonce_seen, self.accept = real.nonce_seen, real.accept

    def sequence_ok(self, number: int) -> bool:
        return self._rule(self._real, number)

    @property
    def highest(self) -> int:
        return self._real.highest


def building(change: Any) -> Any:
    """`change(link, fields, body)` has the last word on what is signed."""

    def spoil(link: Any) -> None:
        build = link.wire.build

        def changed(key: Any, fields: dict, body: bytes, framed: bool = True) -> bytes:
            fields, body = change(link, dict(fields), body)
            return build(key, fields, body, framed)

        link.wire = SimpleNamespace(build=changed)

    return spoil


def saying(kind: str, change: Any) -> Any:
    """The body of messages of this type is what `change` makes of its text."""
    return building(
        lambda link, fields, body: (fields, change(body) if fields["message_type"] == kind else body)
    )


def fields_of(kind: str, change: Any) -> Any:
    return building(
        lambda link, fields, body: (change(fields) if fields["message_type"] == kind else fields, body)
    )


def take_before_signature(link: Any, message: Any) -> None:
    if message.code == errors.SIGNATURE_INVALID:
        window(link).highest = max(window(link).highest, message.sequence)


def stale_is_fresh(link: Any, message: Any) -> None:
    if message.type == "hello" and message.authentic and message.code in cloud._STALE:
        message.code = None


def any_manifest(link: Any, message: Any) -> None:
    if message.type == "manifest" and link.manifest_hash:
        message.payload_hash = link.manifest_hash.encode()


def boot_unseen(link: Any, message: Any, body: dict, now: int) -> None:
    for order in link.orders:
        order.boot_count = body["boot_count"] if order.boot_count is not None else None


def settled_by_boot(link: Any, order: Any, state: str, error: Any) -> None:
    if error == cloud.OUTCOME_UNKNOWN and state == cloud.FAILED:
        order.state = cloud.ACKNOWLEDGED


def same_bytes(link: Any) -> None:
    publish, kept = link._publish, {}
    link._publish = lambda order, now: kept.setdefault(order.message_id, publish(order, now))


def new_id_each_time(link: Any, original: Any, order: Any, now: int) -> Any:
    order.message_id = cloud.uuid4(link._random(16))
    return original(order, now)


def any_order(link: Any, original: Any, body: dict) -> Any:
    for order in link.orders:
        if order.state == cloud.DISPATCHED:
            return order
    return original(body)


def number_again(link: Any, kind: str, now: int) -> None:
    link.sent -= link.sent % 2


def never_expires(link: Any, original: Any, now: int) -> list:
    return []


def due_never(link: Any, order: Any, now: int) -> None:
    order.due = by.NEVER


def no_window(link: Any) -> None:
    window(link).highest, window(link).taken = 0, 1


def _filled(link: Any, message: Any, body: dict) -> dict:
    return {"boot_count": 0, "results_kept": 8, **body} if message.type == "hello" else body


def _finite(link: Any, message: Any, body: dict) -> dict:
    return {} if message.type in ("state", "telemetry") else body


def _tried(body: dict) -> bool:
    return body.get("ack_status") == "dry_run"


TABLE = [
    Broken(
        "signature-not-checked",
        "any signature will do",
        "cloud-forged-message",
        accepting(errors.SIGNATURE_INVALID),
    ),
    Broken(
        "hash-not-checked",
        "does not hash the body",
        "cloud-forged-message",
        setting("_verifier.hash_holds", by.yes),
    ),
    Broken(
        "age-not-checked",
        "takes messages of any age",
        "cloud-stale-message",
        setting("_verifier.max_age", by.NEVER),
    ),
    Broken(
        "future-not-checked",
        "takes messages of the future",
        "cloud-stale-message",
        setting("_verifier.max_future", by.NEVER),
    ),
    Broken(
        "version-ignored",
        "takes HxTP/3.1 for 3.0",
        "cloud-malformed-message",
        parsing(lambda data: data.replace(b"HxTP/3.1", b"HxTP/3.0")),
    ),
    Broken("lenient-json", "reads JSON as its parser likes", "cloud-strict-json", parsing(by.lenient)),
    Broken("any-size", "takes a message of any size", "cloud-framing", parsing(by.any_size)),
    Broken(
        "tenant-ignored",
        "does not look at the tenant",
        "cloud-hello-without-tenant",
        setting("_verifier.tenant_id", None),
    ),
    Broken(
        "tenant-required",
        "refuses messages without a tenant",
        "cloud-hello-without-tenant",
        setting("_verifier.tenant_required", True),
    ),
    Broken(
        "direction-not-checked",
        "takes every type from any channel",
        "cloud-wrong-direction",
        by.both(setting("_verifier.direction", 15), by.any_channel),
    ),
    Broken("channel-not-checked", "takes a type from any channel", "cloud-wrong-direction", by.any_channel),
    Broken("not-finite", "takes numbers that are none", "cloud-not-finite", reading(_finite)),
    Broken(
        "number-before-signature",
        "remembers a number before the signature",
        "cloud-forged-message",
        judging(take_before_signature),
    ),
    Broken("numbers-not-checked", "takes a number twice", "cloud-stale-number", numbers(by.yes)),
    Broken(
        "numbers-strict",
        "takes no number below the highest",
        "cloud-acks-reordered",
        numbers(lambda real, n: n > real.highest),
    ),
    Broken(
        "window-too-wide",
        "takes a number that is 64 below the highest",
        "cloud-window",
        numbers(lambda real, n: real.sequence_ok(n) or real.highest - n == 64),
    ),
    Broken(
        "window-too-narrow",
        "does not take a number that is 63 below the highest",
        "cloud-window",
        numbers(lambda real, n: real.sequence_ok(n) and real.highest - n != 63),
    ),
    Broken(
        "number-too-far",
        "takes any higher number",
        "cloud-number-too-far",
        numbers(lambda real, n: n > real.highest or real.sequence_ok(n)),
    ),
    Broken(
        "hello-unanswered-when-stale",
        "leaves a device with a wrong clock alone",
        "cloud-stale-time",
        around("_answer_stale", by.nothing),
    ),
    Broken(
        "hello-accepted-when-stale",
        "begins a session by a stale hello",
        "cloud-stale-time",
        judging(stale_is_fresh),
    ),
    Broken(
        "hello-answered-always",
        "answers every stale hello",
        "cloud-stale-rarely",
        before("_answer_stale", by.set_to(stale_answered=None)),
    ),
    Broken("hello-not-checked", "does without boot count and K", "cloud-hello-malformed", reading(_filled)),
    Broken(
        "challenge-not-repeated",
        "answers with a challenge of its own",
        "cloud-hello-ack",
        saying("hello_ack", lambda body: body.replace(b'"challenge":"', b'"challenge":"0')),
    ),
    Broken("own-number-not-counted", "tells the number before its own", "cloud-hello-ack", by.lower_floor),
    Broken(
        "hello-ack-lacks",
        "leaves members out of hello_ack",
        "cloud-hello-ack",
        saying("hello_ack", lambda body: body.replace(b'"features":[],', b"")),
    ),
    Broken(
        "features-invented",
        "accepts features that nobody has",
        "cloud-features",
        saying("hello_ack", lambda body: body.replace(b'"features":[]', b'"features":["ota_image"]')),
    ),
    Broken("manifest-any", "takes any manifest", "cloud-manifest-wanted", judging(any_manifest)),
    Broken(
        "manifest-kept",
        "does not ask for a new manifest",
        "cloud-manifest-wanted",
        before("_begin", by.same_manifest),
    ),
    Broken(
        "manifest-always-wanted",
        "asks for the manifest each time",
        "cloud-manifest-wanted",
        before("_begin", by.set_to(manifest=None)),
    ),
    Broken(
        "form-fixed",
        "sends commands framed whatever hello was",
        "cloud-hello-form",
        after("_begin", by.set_to(framed=True)),
    ),
    Broken(
        "action-not-signed",
        "leaves the action out of the body",
        "cloud-command-form",
        saying("command", lambda body: body.replace(b'"action":"conformance_set",', b"")),
    ),
    Broken(
        "action-not-at-top",
        "leaves the top-level action out",
        "cloud-command-form",
        fields_of("command", lambda fields: {name: fields[name] for name in fields if name != "action"}),
    ),
    Broken(
        "request-id-differs",
        "has a request_id of its own",
        "cloud-command-form",
        fields_of("command", lambda fields: {**fields, "request_id": "another"}),
    ),
    Broken(
        "stamped-in-the-past",
        "signs commands with an old time",
        "cloud-command-settled",
        fields_of("command", lambda fields: {**fields, "timestamp": fields["timestamp"] - 400000}),
    ),
    Broken(
        "number-used-twice",
        "gives out a number twice",
        "cloud-command-settled",
        before("_fields", number_again),
    ),
    Broken("never-again", "sends a command once", "cloud-retry-after-time", after("_publish", due_never)),
    Broken(
        "again-too-soon",
        "repeats a command each second",
        "cloud-retry-after-time",
        after("_publish", lambda link, order, now: setattr(order, "due", now + 1000)),
    ),
    Broken("again-the-same", "repeats a command byte by byte", "cloud-retry-after-hello", same_bytes),
    Broken(
        "again-as-another",
        "repeats a command under another message_id",
        "cloud-retry-after-hello",
        around("_publish", new_id_each_time),
    ),
    Broken(
        "boot-ignored",
        "repeats a command in the next boot",
        "cloud-another-boot",
        before("_begin", boot_unseen),
    ),
    Broken(
        "boot-is-success",
        "calls a command executed when the device has rebooted",
        "cloud-another-boot",
        after("_settle", settled_by_boot),
    ),
    Broken(
        "k-ignored",
        "publishes all at once",
        "cloud-window-of-k",
        after("_begin", by.set_to(results_kept=1000)),
    ),
    Broken(
        "ack-of-any",
        "lets an ack settle the oldest command",
        "cloud-ack-of-other",
        around("_order", any_order),
    ),
    Broken(
        "nack-is-ack",
        "calls a nacked command executed",
        "cloud-command-settled",
        reading(
            lambda link, message, body: {**body, "ack_status": "executed"} if message.type == "ack" else body
        ),
    ),
    Broken(
        "dry-run-is-ack",
        "takes the ack of a dry run for that of any command",
        "cloud-ack-dry-run",
        reading(lambda link, message, body: {**body, "ack_status": "executed"} if _tried(body) else body),
    ),
    Broken("window-in-memory", "forgets a device's numbers with the process", "cloud-restart", no_window),
    Broken(
        "numbers-in-memory", "forgets its own numbers with the process", "cloud-restart", setting("sent", 0)
    ),
    Broken("commands-in-memory", "forgets commands with the process", "cloud-restart", by.no_orders),
    Broken(
        "never-expires", "lets commands live for ever", "cloud-command-expires", around("tick", never_expires)
    ),
    Broken("always-online", "takes a device for online for ever", "cloud-presence", around("online", by.yes)),
    Broken(
        "online-too-short",
        "takes a device for offline after one interval",
        "cloud-presence",
        around(
            "online", lambda link, original, now: link.last_seen is not None and now - link.last_seen < 30000
        ),
    ),
]


def mutants(cases: list[Case]) -> list[Mutant]:
    """One for each row, with all cases: the slow ones take no time in virtual time."""
    return [
        Mutant(f"cloud-{row.name}", row.what, opened(simulated.target(row.spoil)), cases) for row in TABLE
    ]
