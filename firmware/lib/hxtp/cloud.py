"""The cloud's end of one device: verify what it says, answer its hello, deliver its commands.

Sans-I/O like the rest, and never loaded by a device. What must outlive a crash is in the
attributes of Link and Order; `commit` is called before anything that depends on it leaves.
"""

from binascii import hexlify

from hxtp import envelope, frame, jsontext
from hxtp.errors import (
    BUFFER_OVERFLOW,
    COMMAND_INVALID,
    FRAME_SCHEMA_INVALID,
    HASH_MISMATCH,
    PAYLOAD_TOO_LARGE,
    SEQUENCE_VIOLATION,
    TIMESTAMP_EXPIRED,
    TIMESTAMP_FUTURE,
    HxtpError,
)
from hxtp.jsonscan import loads
from hxtp.registry import DRY_RUN
from hxtp.session import uuid4, whole

OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"

# States of an order
QUEUED = "queued"
DISPATCHED = "dispatched"
ACKNOWLEDGED = "acknowledged"
FAILED = "failed"
EXPIRED = "expired"

LIFE = 300000
RETRY = 10000
STALE_ANSWER = 5000
MAX_BODY = frame.MAX_BODY + 64  # bytes of a command's body: its parameters, and the action beside them

_STALE = (TIMESTAMP_EXPIRED, TIMESTAMP_FUTURE, SEQUENCE_VIOLATION)


class Order:
    """One command for one device. Times in ms since 1970; `result` holds the members of its ack."""

    def __init__(self, message_id, number, action, body, expires_at):
        self.message_id = message_id
        self.number = number
        self.action = action
        self.body = body
        self.expires_at = expires_at
        self.state = QUEUED
        self.boot_count = None  # of the boot it was first published to
        self.attempts = 0
        self.due = 0
        self.error = None
        self.result = None

    def settled(self):
        return self.state not in (QUEUED, DISPATCHED)


class Event:
    """What an authentic message told: its `type`, its `body` (dict; `raw` as the bytes that came), and the
    orders that ended by it.
    """

    __slots__ = ("body", "ended", "raw", "type")

    def __init__(self, type, body, ended, raw):
        self.type = type
        self.body = body
        self.ended = ended
        self.raw = raw


class Link:
    """One device as its cloud knows it. `now` is ms since 1970 throughout.

    `slots`: [(Key, Window)], the signing key first. `commit(link)` must make the link durable.
    """

    max_unsettled = 256
    wire = envelope  # whose `Verifier` judges and whose `build` signs; a host may put a faster equal here

    def __init__(self, device_id, tenant_id, slots, random, commit=None):
        self.device_id = device_id
        self.tenant_id = tenant_id
        self.framed = True
        self.refused = {}
        self.refusal = None  # of the last message, if it was refused
        self.session = False
        self.boot_count = None
        self.results_kept = 1
        self.hello = None
        self.manifest_hash = None
        self.manifest = None
        self.state = None
        self.last_seen = None
        self.away = False  # says the broker since the device's last word, and nobody signed it
        self.awaits = False  # a manifest that the device named and did not send yet
        self.hurried = None  # when a hello last let everything be signed again
        self.heartbeat_interval = 30  # seconds
        self.limits = {"max_age_s": 300, "future_s": 60}
        self.sent = 0  # the last number given out under the signing key
        self.orders = []  # unsettled, in the order of their numbers
        self.submitted = 0  # the number of the last order
        self._slots = slots
        self._random = random
        self._commit = commit or _nothing
        self._verifier = self.wire.Verifier(frame.TO_CLOUD, slots, device_id, tenant_id)
        self._answers = []
        self.stale_answered = None  # when a hello out of its time was

    def limit(self, max_age_s, future_s):
        """How old and how early a message of the device may be, in seconds; the next hello_ack tells it."""
        self.limits = {"max_age_s": max_age_s, "future_s": future_s}
        self._verifier.max_age = 1000 * max_age_s
        self._verifier.max_future = 1000 * future_s

    # -- from the device ------------------------------------------------------------------------

    def receive(self, channel, payload, now):
        """Take one message. Returns an Event, or None for a refusal: its code is in `refusal` and counted."""
        self.refusal = None
        message = self._verifier.judge(payload, now, channel)
        try:
            return self._receive(message, now)
        except HxtpError as refusal:
            self.refusal = refusal.code
            self.refused[refusal.code] = self.refused.get(refusal.code, 0) + 1
            return None

    def _receive(self, message, now):
        kind = message.type
        if message.code:
            if kind == "hello" and message.code in _STALE and message.authentic:
                self._answer_stale(message, now)
            raise HxtpError(message.code)
        body = message.params()
        if not _finite(body):
            raise HxtpError(FRAME_SCHEMA_INVALID)
        ended = ()
        if kind == "hello":
            self._check_hello(body)
        elif kind == "manifest" and message.payload_hash.decode() != self.manifest_hash:
            raise HxtpError(HASH_MISMATCH)
        elif kind == "ack":
            ended = [self._order(body)]
        self._verifier.accept(message)
        self.last_seen = now
        self.away = False
        if kind == "hello":
            ended = self._begin(message, body, now)
        elif kind == "manifest":
            self.manifest = body
            self.awaits = False
        elif kind == "state":
            self.state = body
        elif ended:
            self._settle_by(ended[0], body)
        self._commit(self)
        return Event(kind, body, ended, message.body)

    def _check_hello(self, body):
        challenge = body.get("challenge")
        boot = body.get("boot_count")
        kept = body.get("results_kept")
        if (
            not isinstance(challenge, str)
            or envelope.nonce_size(challenge.encode()) < 16
            or len(challenge) > envelope.MAX_NONCE
        ):
            raise HxtpError(FRAME_SCHEMA_INVALID, "challenge")
        if not whole(boot, 0, envelope.MAX_INTEGER):
            raise HxtpError(FRAME_SCHEMA_INVALID, "boot_count")
        if not whole(kept, 1, 1024):
            raise HxtpError(FRAME_SCHEMA_INVALID, "results_kept")

    def _answer_stale(self, message, now):
        # Says the time and the numbers to a device that lost them, and starts nothing.
        if self.stale_answered is None or not 0 <= now - self.stale_answered < STALE_ANSWER:
            try:
                body = message.params()
                self._check_hello(body)
            except HxtpError:
                return
            self.stale_answered = now
            self._answer(message, body, False, now)
            self._commit(self)

    def _begin(self, message, body, now):
        boot = body["boot_count"]
        at = now
        if self.hurried is not None and 0 <= now - self.hurried < RETRY:
            # It had them a moment ago: whoever says hello all the time is sent no more for it. What was
            # signed once alone is new to this.
            at = self.hurried + RETRY
        for order in self.orders:
            if order.state == DISPATCHED:
                if order.boot_count == boot:
                    order.due = min(order.due, now if order.attempts == 1 else at)
                    if at == now:
                        self.hurried = now
                else:
                    self._settle(order, FAILED, OUTCOME_UNKNOWN)
        ended = [order for order in self.orders if order.settled()]
        self.orders = [order for order in self.orders if not order.settled()]
        self.session = True
        self.boot_count = boot
        self.results_kept = body["results_kept"]
        self.hello = body
        self.framed = message.framed
        if self.manifest_hash != body.get("manifest_hash"):
            self.manifest_hash = body.get("manifest_hash")
            self.manifest = None
            self.awaits = True
        self._answer(message, body, True, now)
        return ended

    def _answer(self, message, hello, session, now):
        fields = self._fields("hello_ack", now)
        body = {
            "challenge": hello["challenge"],
            "features": [],
            "heartbeat_interval": self.heartbeat_interval,
            "last_cloud_sequence": fields["sequence_number"],
            "last_device_sequence": message.slot[1].highest,
            "limits": self.limits,
            "manifest_wanted": self.manifest is None,
            "ref_message_id": message.message_id,
            "server_time": now,
            "session": session,
        }
        text = jsontext.dumps(body).encode()
        self._answers.append(("cmd", self.wire.build(self._slots[0][0], fields, text, message.framed)))

    def _order(self, body):
        for order in self.orders:
            if order.message_id == body.get("ref_message_id") and order.state == DISPATCHED:
                return order
        raise HxtpError(COMMAND_INVALID)

    def _settle_by(self, order, body):
        order.result = body
        told = body.get("ack_status")
        if told == "executed" or (told == DRY_RUN and loads(order.body).get(DRY_RUN) is True):
            self._settle(order, ACKNOWLEDGED, None)
        else:
            error = body.get("error")
            self._settle(order, FAILED, error if isinstance(error, str) else COMMAND_INVALID)
        self.orders.remove(order)

    def _settle(self, order, state, error):
        order.state = state
        order.error = error

    def withdraw(self, order, error):
        """End an order that never left."""
        self._settle(order, FAILED, error)
        self.orders.remove(order)
        self._commit(self)

    def hint(self):
        """The empty message came: the broker lost the device. It holds back what never left, no more."""
        if not self.away:
            self.away = True
            self._commit(self)

    # -- to the device --------------------------------------------------------------------------

    def submit(self, action, params, now, life=LIFE):
        """Accept a command for delivery within `life` ms. Returns its Order.

        Raises HxtpError: BUFFER_OVERFLOW (too many are unsettled), PAYLOAD_TOO_LARGE; TypeError or ValueError
        for parameters that have no JSON form.
        """
        if len(self.orders) >= self.max_unsettled:
            raise HxtpError(BUFFER_OVERFLOW, "too many commands wait for this device")
        body = dict(params)
        body["action"] = action
        text = jsontext.dumps(body).encode()
        if len(text) > MAX_BODY:
            raise HxtpError(
                PAYLOAD_TOO_LARGE, "the parameters are %d bytes, %d are possible" % (len(text), MAX_BODY)
            )
        self.submitted += 1
        order = Order(uuid4(self._random(16)), self.submitted, action, text, now + life)
        self.orders.append(order)
        self._commit(self)
        return order

    def tick(self, now):
        """Let time pass. Returns the orders that ended by it."""
        ended = [order for order in self.orders if now >= order.expires_at]
        for order in ended:
            # Published and never acknowledged: it may have run.
            self._settle(order, EXPIRED, OUTCOME_UNKNOWN if order.attempts else None)
        if ended:
            self.orders = [order for order in self.orders if not order.settled()]
            self._commit(self)
        return ended

    def take(self, now):
        """The next message to publish as (channel, payload), or None."""
        if self._answers:
            return self._answers.pop(0)
        if not self.session:
            return None
        held = self.holds(now)
        for order in self.orders:
            # The n-th leaves only when the one `results_kept` before it and all earlier are settled.
            if order.number >= self.orders[0].number + self.results_kept:
                return None
            if order.state == QUEUED:
                return None if held else self._publish(order, now)
            if now >= order.due and order.boot_count == self.boot_count:
                return self._publish(order, now)
        return None

    def holds(self, now):
        """Whether what never left waits for a word of the device: published to nobody, it would be lost, and
        before its manifest is there nobody knows what it would do.
        """
        return self.away or self.awaits or not self.online(now)

    def _publish(self, order, now):
        order.state = DISPATCHED
        order.boot_count = self.boot_count
        order.due = now + (RETRY << min(order.attempts, 5))
        order.attempts += 1
        fields = self._fields("command", now)
        fields["action"] = order.action
        fields["message_id"] = fields["request_id"] = order.message_id
        self._commit(self)
        return "cmd", self.wire.build(self._slots[0][0], fields, order.body, self.framed)

    def _fields(self, kind, now):
        self.sent += 1
        message_id = uuid4(self._random(16))
        return {
            "message_type": kind,
            "device_id": self.device_id,
            "tenant_id": self.tenant_id,
            "client_id": "hxtp-cloud",
            "message_id": message_id,
            "request_id": message_id,
            "sequence_number": self.sent,
            "timestamp": now,
            "nonce": hexlify(self._random(16)).decode(),
        }

    def online(self, now):
        """Heartbeats are the truth: online until four intervals passed without a word.

        A word of the future was heard by a clock that was ahead, and counts for as long at most.
        """
        return self.last_seen is not None and abs(now - self.last_seen) < 4000 * self.heartbeat_interval


def _finite(value):
    """Whether every number in it is one: 1e999 is JSON, and no double."""
    for item in value.values() if isinstance(value, dict) else value:
        kind = type(item)
        if kind is float:
            if item - item != 0:
                return False
        elif (kind is dict or kind is list) and not _finite(item):
            return False
    return True


def _nothing(link):
    pass
