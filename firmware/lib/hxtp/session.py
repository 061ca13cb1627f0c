"""The device's end of a session: hello, hello_ack, commands in, messages out.

Every transition stands in TRANSITIONS. Events go in (`connected`, `receive`, `tick`),
messages come out of `take`, each signed when it leaves; time is a parameter everywhere.
This module must never execute a command itself, and never answer what no key signed.
"""

from binascii import hexlify
from hashlib import sha256

from hxtp import envelope, frame, jsontext
from hxtp.errors import (
    BUFFER_OVERFLOW,
    COMMAND_INVALID,
    FRAME_SCHEMA_INVALID,
    PROTOCOL_NOT_READY,
    SEQUENCE_VIOLATION,
    TIMESTAMP_EXPIRED,
    TIMESTAMP_FUTURE,
    UNKNOWN_ACTION,
    HxtpError,
)
from hxtp.outbox import Outbox
from hxtp.registry import action_of, failed
from hxtp.replay import Floor
from hxtp.results import Results
from hxtp.sign import digest, equal

# States
OFFLINE = "OFFLINE"
HELLO_SENT = "HELLO_SENT"
READY = "READY"
RENEWING = "RENEWING"
UNANSWERED = "UNANSWERED"

# state, event: next state, what is done on the way
TRANSITIONS = {
    (OFFLINE, "connected"): (HELLO_SENT, "ask"),
    (HELLO_SENT, "accepted"): (READY, "begin"),
    (HELLO_SENT, "repaired"): (HELLO_SENT, "ask"),
    (HELLO_SENT, "silence"): (OFFLINE, "leave"),
    (HELLO_SENT, "alone"): (UNANSWERED, "stay"),
    (HELLO_SENT, "disconnected"): (OFFLINE, "forget"),
    (READY, "renew"): (RENEWING, "ask"),
    (READY, "disconnected"): (OFFLINE, "forget"),
    (RENEWING, "accepted"): (READY, "begin"),
    (RENEWING, "repaired"): (RENEWING, "ask"),
    (RENEWING, "silence"): (OFFLINE, "leave"),
    (RENEWING, "disconnected"): (OFFLINE, "forget"),
    (UNANSWERED, "renew"): (UNANSWERED, "ask"),
    (UNANSWERED, "accepted"): (READY, "begin"),
    (UNANSWERED, "repaired"): (UNANSWERED, "ask"),
    (UNANSWERED, "silence"): (UNANSWERED, "stay"),
    (UNANSWERED, "disconnected"): (OFFLINE, "forget"),
}

CHALLENGE_LIFE = 60000
HELLO_RETRY = 5000
RENEW_AFTER = 6 * 3600000
SILENCE = 600000
STALE_RENEW = 60000
_LONG = 512  # bytes of a body that a device sends in pieces
HEARTBEAT = 30  # seconds, until the cloud names another

_STALE = (TIMESTAMP_EXPIRED, TIMESTAMP_FUTURE, SEQUENCE_VIOLATION)


class Identity:
    """Who the device is: strings, and the boot count that is in flash before anything runs."""

    def __init__(self, device_id, tenant_id, device_type, firmware_version, boot_count, reset_reason="power"):
        self.device_id = device_id
        self.tenant_id = tenant_id
        self.device_type = device_type
        self.firmware_version = firmware_version
        self.boot_count = boot_count
        self.reset_reason = reset_reason
        self.key_version = 1
        self.features = []


class Memory:
    """What a session keeps over resets; the device's store replaces the two methods with durable ones."""

    cloud_answers = False
    floor = 0

    def save_cloud_answers(self):
        self.cloud_answers = True

    def save_floor(self, sequence):
        self.floor = sequence


class Command:
    """An authentic command to run: `action`, `params` (its body, not yet checked against the manifest)."""

    def __init__(self, message_id, action, params):
        self.message_id = message_id
        self.action = action
        self.params = params


class Session:
    """One device's session with its cloud. `now` is always ms from a clock that never jumps or wraps.

    `random(n)` gives n random bytes. Settings are attributes; those that weaken the protocol
    are named for their risk: `accept_unsigned_action`, `serve_cloud_without_hello_ack`.
    """

    accept_unsigned_action = False
    serve_cloud_without_hello_ack = False
    framed = True
    wire = envelope  # whose `Verifier` judges and whose `build` signs; a host may put a faster equal here

    def __init__(self, identity, key, counter, registry, random, memory=None, stream=False):
        """`stream`: `take` gives the manifest, the one large message, as an envelope.Stream."""
        self.identity = identity
        self.registry = registry
        self.outbox = Outbox()
        self.results = Results()
        self.state = OFFLINE
        self.refused = {}
        self.refusal = None  # of the last message, if it was refused or found no memory
        self.heartbeat = HEARTBEAT * 1000
        self._memory = memory or Memory()
        self._key = key
        self._counter = counter
        self._random = random
        self._floor = Floor(self._memory.floor)
        self._verifier = self.wire.Verifier(
            frame.TO_DEVICE, [(key, self._floor)], identity.device_id, identity.tenant_id, True
        )
        self._stream = stream
        self._manifest_hash, self._manifest_size = self._measure_manifest()
        self._manifest_new = False
        self._offset = None  # protocol time minus ticks; only an authentic answer sets it
        self._hint = None  # the same from a clock nobody signed, for our own timestamps alone
        self._asked = self._heard = 0
        self._clear()

    def _clear(self):
        self._challenge = None
        self._form_known = False
        self._manifest_wanted = False
        self._repairs = 0

    # -- events ---------------------------------------------------------------------------------

    def connected(self, now, wall=None):
        """The transport is up and subscribed; after a lost one, `disconnected` comes first.

        `wall`: ms since 1970 by a clock nobody signed, or None.
        """
        self._clear()
        self._hint = None if wall is None else wall - now
        self._event("connected", now)

    def disconnected(self, now):
        """The transport is gone. What waits in the outbox stays."""
        if self.state != OFFLINE:
            self._event("disconnected", now)

    def set_clock(self, time, now):
        """Set the protocol clock (ms since 1970) from an authentic answer, and from nothing else."""
        self._offset = time - now

    def time(self, now):
        """Protocol time in ms since 1970, or None before the first authentic answer."""
        return None if self._offset is None else now + self._offset

    def report_state(self):
        """State changed: the next message of state tells the newest one."""
        self.outbox.state = True

    def declare(self):
        """The manifest changed: hello is said anew, once no ack waits, for the cloud to take it."""
        self._manifest_new = True

    def _measure_manifest(self):
        size = 0
        summed = sha256()
        for piece in self.registry.pieces() if self._stream else (self.registry.manifest(),):
            size += len(piece)
            summed.update(piece.encode())
        return hexlify(summed.digest()).decode(), size

    def telemetry(self, values, now):
        """Queue a sample (a flat dict) of now. Raises TypeError or ValueError for what has no JSON form, or
        one that fits into no message.
        """
        _fitting(jsontext.dumps(values))
        self.outbox.sample(now, dict(values))

    def serving(self):
        """Whether commands are accepted and state is told."""
        return self.state in (READY, RENEWING, UNANSWERED)

    def tick(self, now):
        """Let time pass. Returns "reconnect" when this connection leads nowhere, else None."""
        if self._challenge and now >= self._deadline:
            alone = (
                self.serve_cloud_without_hello_ack
                and not self._memory.cloud_answers
                and self._offset is not None
                and self.state == HELLO_SENT
            )
            self._event("alone" if alone else "silence", now)
            if self.state == OFFLINE:
                return "reconnect"
        elif self._challenge is None and self.serving():
            new = self._manifest_new and not self.outbox.acks
            if new or now - self._asked >= RENEW_AFTER or now - self._heard >= SILENCE:
                self._event("renew", now)
        return None

    # -- transitions ----------------------------------------------------------------------------

    def _event(self, event, now):
        self.state, action = TRANSITIONS[(self.state, event)]
        getattr(self, "_" + action)(now)

    def _ask(self, now):
        if self._manifest_new:
            self._manifest_hash, self._manifest_size = self._measure_manifest()
            self._manifest_new = False
        self._challenge = hexlify(self._random(16)).decode()
        self._deadline = now + CHALLENGE_LIFE
        # A second repair on one connection means that the first did not help: do not hammer.
        self._hello_due = now + HELLO_RETRY if self._repairs > 1 else now
        self._hello_id = self._hello_first = self._hello_sent = None
        self._asked = self._heard = now
        self._floor_asked = self._floor.last

    def _begin(self, now):
        self._challenge = None
        self._repairs = 0
        self._heartbeat_due = now + self.heartbeat
        self.outbox.state = True

    def _stay(self, now):
        self._challenge = None
        self._asked = self._heard = now
        self._heartbeat_due = now + self.heartbeat
        self.outbox.state = True

    def _leave(self, now):
        self._clear()

    _forget = _leave

    # -- inbound --------------------------------------------------------------------------------

    def receive(self, channel, payload, now, retained=False):
        """Take one message. Returns a Command to run (then call `finish`), or None.

        A refusal is counted in `refused` by its code, named in `refusal`, answers nothing and changes
        nothing else. An accepted command that finds no memory is nacked (HX3-CMD-36), `refusal` names it too.
        """
        self.refusal = None
        if self.state == OFFLINE:
            return self.refuse(PROTOCOL_NOT_READY)
        if retained:
            return self.refuse(COMMAND_INVALID)
        message = self._verifier.judge(payload, self.time(now), channel)
        try:
            return self._receive(message, now)
        except HxtpError as refusal:
            return self.refuse(refusal.code)
        except MemoryError:
            return self.refuse(BUFFER_OVERFLOW)

    def refuse(self, code):
        """Count a refusal and name it; also for what the transport refused before a message came here."""
        self.refusal = code
        self.refused[code] = self.refused.get(code, 0) + 1

    def _receive(self, message, now):
        if message.type == "hello_ack" and message.authentic and self._challenge:
            body = message.params()
            challenge = body.get("challenge")
            if isinstance(challenge, str) and equal(challenge.encode(), self._challenge.encode()):
                return self._answered(message, body, now)
        if message.code:
            if message.authentic and message.code in _STALE and self.state in (READY, UNANSWERED):
                if self._challenge is None and now - self._asked >= STALE_RENEW:
                    self._event("renew", now)
            raise HxtpError(message.code)
        if not self.serving() or message.type == "hello_ack":
            raise HxtpError(PROTOCOL_NOT_READY)
        if message.type != "command":
            raise HxtpError(UNKNOWN_ACTION)
        if self.state == UNANSWERED:
            self._memory.save_floor(message.sequence)
        self._verifier.accept(message)
        self._heard = now
        self._answer_in_form_of(message)
        known = self.results.find(message.message_id)
        if known:
            if known[1] != message.payload_hash:
                self.outbox.ack(message.message_id, failed(COMMAND_INVALID))
            elif known[2] is not None:
                self.outbox.ack(message.message_id, known[2])
            return None
        command = nack = None
        try:
            params = message.params()
            action = action_of(message, params, self.accept_unsigned_action)
            command = Command(message.message_id, action, params)
        except HxtpError as refusal:
            nack = failed(refusal.code)
        except MemoryError:  # nothing was executed yet, so that may be told
            self.refusal = BUFFER_OVERFLOW
            nack = failed(BUFFER_OVERFLOW)
        self.results.add(message.message_id, message.payload_hash, nack)
        if nack:
            self.outbox.ack(message.message_id, nack)
        return command

    def finish(self, command, ack):
        """A command was run; `ack` is what `Registry.run` returned. Its ack is stored and queued."""
        known = self.results.find(command.message_id)
        if known:
            known[2] = ack
        self.outbox.ack(command.message_id, ack)

    def _answer_in_form_of(self, message):
        if not self._form_known:
            self._form_known = True
            self.framed = message.framed

    def _answered(self, message, body, now):
        get = body.get
        time, last_out, last_in, session = (
            get("server_time"),
            get("last_device_sequence"),
            get("last_cloud_sequence"),
            get("session"),
        )
        for number in (time, last_out, last_in):
            if not whole(number, 0, envelope.MAX_INTEGER):
                raise HxtpError(FRAME_SCHEMA_INVALID)
        if session is not True and session is not False:
            raise HxtpError(FRAME_SCHEMA_INVALID)
        sent = self._hello_sent if get("ref_message_id") == self._hello_id else self._hello_first
        if sent is None:  # nobody can answer a challenge that was not sent yet
            raise HxtpError(PROTOCOL_NOT_READY)
        if session and self.serving():
            # Commands went on while the answer was under way, and what they raised stays. A cloud that knew
            # less than we did when we asked has lost its numbers: only a new connection begins from those.
            if last_in < self._floor_asked:
                self._deadline = now
                raise HxtpError(SEQUENCE_VIOLATION)
            last_in = max(last_in, self._floor.last)
        self.set_clock(time + (now - sent) // 2, now)
        self._counter.raise_to(last_out)
        self._answer_in_form_of(message)
        self._heard = now
        if not self._memory.cloud_answers:
            self._memory.save_cloud_answers()
        if not session:
            self._repairs += 1
            return self._event("repaired", now)
        self._verifier.accept(message)
        self._floor.last = last_in
        limits = get("limits")
        if isinstance(limits, dict):
            self._verifier.max_age = 1000 * _bounded(limits.get("max_age_s"), 30, 300)
            self._verifier.max_future = 1000 * _bounded(limits.get("future_s"), 5, 60)
        self.heartbeat = 1000 * _bounded(get("heartbeat_interval"), 5, 3600, HEARTBEAT)
        self._manifest_wanted = get("manifest_wanted") is True
        return self._event("accepted", now)

    # -- outbound -------------------------------------------------------------------------------

    def take(self, now):
        """The next message to publish as (channel, payload), or None. What it gives, it has forgotten.

        Where flash (OSError) or memory (MemoryError) fails, nothing is forgotten. A state without a JSON
        form, or too large for a message (TypeError, ValueError), is told once, and the session goes on.
        """
        outbox = self.outbox
        if self._challenge and now >= self._hello_due:
            return self._hello(now)
        if not self.serving():
            return None
        if outbox.acks:
            message_id, ack = outbox.acks[0]
            ack = dict(ack)
            ack["ref_message_id"] = message_id
            message = self._sign("ack", jsontext.dumps(ack), now)
            outbox.acks.pop(0)
        elif self._manifest_wanted and not self._manifest_new:
            message = self._sign("manifest", None if self._stream else self.registry.manifest(), now)
            self._manifest_wanted = False
        elif outbox.state:
            try:
                text = _fitting(jsontext.dumps(self.registry.state()))
            except (TypeError, ValueError):
                outbox.state = False
                raise
            message = self._sign("state", text, now)
            outbox.state = False
        elif now >= self._heartbeat_due:
            message = self._sign("heartbeat", "{}", now)
            self._heartbeat_due = now + self.heartbeat
        elif outbox.samples:
            message = self._sign("telemetry", jsontext.dumps(outbox.first_sample(self.time)), now)
            outbox.forget_sample()
        else:
            message = None
        return message

    def _hello(self, now):
        identity = self.identity
        self._hello_due = now + HELLO_RETRY
        self._hello_sent = now
        if self._hello_first is None:
            self._hello_first = now
        self._hello_id = self._uuid()
        body = {
            "boot_count": identity.boot_count,
            "challenge": self._challenge,
            "device_type": identity.device_type,
            "features": identity.features,
            "firmware_version": identity.firmware_version,
            "key_version": identity.key_version,
            "manifest_hash": self._manifest_hash,
            "reset_reason": identity.reset_reason,
            "results_kept": self.results.kept,
        }
        return self._sign("hello", jsontext.dumps(body), now, self._hello_id)

    def _uuid(self):
        return uuid4(self._random(16))

    def _sign(self, kind, body, now, message_id=None):
        offset = self._hint if self._offset is None else self._offset
        message_id = message_id or self._uuid()
        fields = {
            "message_type": kind,
            "device_id": self.identity.device_id,
            "tenant_id": self.identity.tenant_id,
            "client_id": self.identity.device_id,
            "message_id": message_id,
            "request_id": message_id,
            "sequence_number": self._counter.next(),
            "timestamp": 0 if offset is None else max(0, now + offset),
            "nonce": hexlify(self._random(16)).decode(),
        }
        channel = frame.TYPES[kind][1]
        if body is None:
            known = self._manifest_hash.encode(), self._manifest_size, self.registry.pieces()
            return channel, envelope.Stream(self._key, fields, *known, framed=self.framed)
        body = body.encode()
        if self._stream and len(body) > _LONG:
            known = digest(body), len(body), (body,)
            return channel, envelope.Stream(self._key, fields, *known, framed=self.framed)
        return channel, self.wire.build(self._key, fields, body, self.framed)


def uuid4(random):
    """A version 4 UUID (RFC 9562) from 16 random bytes."""
    text = hexlify(random).decode()
    variant = "89ab"[random[8] & 3]
    return "-".join((text[:8], text[8:12], "4" + text[13:16], variant + text[17:20], text[20:]))


def _fitting(text):
    if len(text) > frame.MAX_BODY:
        raise ValueError("%d bytes of JSON, and %d fit into a message" % (len(text), frame.MAX_BODY))
    return text


def whole(value, low, high):
    """Whether it is an integer within bounds; true and false are none, whatever the runtime thinks."""
    return isinstance(value, int) and value is not True and value is not False and low <= value <= high


def _bounded(value, low, high, default=None):
    if not whole(value, -envelope.MAX_INTEGER, envelope.MAX_INTEGER):
        return high if default is None else default
    return min(max(value, low), high)
