"""The signed envelope, profile pipe10: take one apart, judge it, build one.

The body is hashed as the bytes that arrived. This module must never change any state:
it says what a message is, and `Verifier.accept` is the caller's to call.
"""

from binascii import a2b_base64, hexlify, unhexlify

from hxtp import VERSION, frame, jsonscan
from hxtp.errors import (
    BUFFER_OVERFLOW,
    DEVICE_NOT_FOUND,
    FRAME_JSON_INVALID,
    FRAME_SCHEMA_INVALID,
    FRAME_TYPE_INVALID,
    HASH_MISMATCH,
    NONCE_MISSING,
    NONCE_REUSED,
    PERMISSION_DENIED,
    SEQUENCE_VIOLATION,
    SIGNATURE_INVALID,
    SIGNATURE_MISSING,
    TIMESTAMP_EXPIRED,
    TIMESTAMP_FUTURE,
    VERSION_MISMATCH,
    HxtpError,
)
from hxtp.jsontext import MAX_INTEGER, dumps
from hxtp.sign import digest, equal

MAX_ID = 36
MAX_NONCE = 64

_HEX = b"0123456789abcdef"
# Printable ASCII without the separator; the characters of ids come first, where a linear search finds them.
_FIELD = bytes([c for c in b"0123456789abcdef-" + bytes(range(32, 127)) if c != 124])
_BASE64 = _HEX + b"ABCDEFghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ+/"
# Member names of the body: ours, and those of older devices with the one type that may use them.
_BODIES = ((b"params", None), (b"state", b"state"), (b"data", b"telemetry"), (b"result", b"ack"))
_IDS = (b"message_type", b"device_id", b"client_id", b"message_id", b"request_id")
_SIGNED = ("device_id", "client_id", "message_id", "request_id", "sequence_number", "timestamp", "nonce")


class Message:
    """One received message. After a refusal `code` says why, and the fields may be missing.

    `sequence` and `timestamp` (ms) are integers, `body` the raw bytes of the body, `action`
    the raw bytes of a top-level action or None, `authentic` whether a secret signed it.
    """

    code: "str | None" = None
    authentic = False
    rotated = False
    slot = None
    type = None
    action = None
    body = b"{}"

    def params(self):
        """The body as a dict of values."""
        return jsonscan.loads(self.body)


def _text(raw, code, most=MAX_ID, least=1, alphabet=_FIELD):
    if raw is None or raw[0] != 34:
        raise HxtpError(code)
    text = raw[1:-1]
    if b"\\" in text:
        text = jsonscan.unescape(text)
    if not least <= len(text) <= most or text.strip(alphabet):
        raise HxtpError(code)
    return text


def _hex64(raw, code):
    return _text(raw, code, 64, 64, _HEX)


def _number(raw):
    if raw is None or len(raw) > 16 or not raw.isdigit() or (raw[0] == 48 and len(raw) > 1):
        raise HxtpError(FRAME_SCHEMA_INVALID)
    value = int(raw)
    if value > MAX_INTEGER:
        raise HxtpError(FRAME_SCHEMA_INVALID)
    return value


def nonce_size(nonce):
    """How many bytes a nonce (bytes) decodes to, 0 where it is neither hex nor padded base64."""
    if not nonce.strip(b"0123456789abcdefABCDEF"):
        return 0 if len(nonce) & 1 else len(nonce) >> 1
    core = nonce.rstrip(b"=")
    if len(nonce) & 3 or len(nonce) - len(core) > 2 or core.strip(_BASE64):
        return 0
    return len(a2b_base64(nonce))


def signed_text(*fields):
    """The text that pipe10 signs: the version and nine more fields (bytes) in their order, joined by `|`."""
    return b"HxTP/3.0|" + b"|".join(fields)


def parse(data, message):
    """Fill `message` from the bytes of one message, framed or bare.

    Raises HxtpError with the first code in the order: size, frame, UTF-8, JSON, version, fields.
    """
    code, start = frame.open_frame(data)
    members = jsonscan.scan(data, start)
    get = members.get
    body = None
    for name, only in _BODIES:
        raw = get(name)
        if raw is not None:
            if body is not None:
                raise HxtpError(FRAME_JSON_INVALID)
            body = raw
            body_type = only
    if get(b"version") != b'"HxTP/3.0"' and _text(get(b"version"), VERSION_MISMATCH) != b"HxTP/3.0":
        raise HxtpError(VERSION_MISMATCH)
    if b"sequence" in members or b"protocol_version" in members:
        raise HxtpError(FRAME_SCHEMA_INVALID)
    kind, device_id, client_id, message_id, request_id = [
        _text(get(name), FRAME_SCHEMA_INVALID) for name in _IDS
    ]
    tenant_id = get(b"tenant_id")
    if tenant_id is not None:
        tenant_id = _text(tenant_id, FRAME_SCHEMA_INVALID).decode()
    sequence = get(b"sequence_number")
    message.sequence = _number(sequence)
    timestamp = get(b"timestamp")
    sent = _number(timestamp)
    if body is not None:
        if body[0] != 123 or body_type not in (None, kind):
            raise HxtpError(FRAME_SCHEMA_INVALID)
        message.body = body
    nonce = _text(get(b"nonce"), NONCE_MISSING, MAX_NONCE)
    if nonce_size(nonce) < 16:
        raise HxtpError(NONCE_MISSING)
    payload_hash = _hex64(get(b"payload_hash"), HASH_MISMATCH)
    message.signature = unhexlify(_hex64(get(b"signature"), SIGNATURE_MISSING))
    message.signed = signed_text(
        device_id, client_id, message_id, request_id, sequence, timestamp, nonce, kind, payload_hash
    )
    message.type = kind.decode()
    message.device_id = device_id.decode()
    message.tenant_id = tenant_id
    message.message_id = message_id.decode()
    message.nonce = nonce
    message.payload_hash = payload_hash
    # Peers that count in seconds are read as the public verifiers read them.
    message.timestamp = sent if sent > 1000000000000 else sent * 1000
    message.framed = code is not None
    message.action = get(b"action")
    known = frame.TYPES.get(message.type)
    if known is None or (code is not None and code != known[0]):
        raise HxtpError(FRAME_TYPE_INVALID)


class Verifier:
    """Judges messages of one direction against one peer: identity, time, replay, secrets.

    `slots` is a list of (Key, replay) tried in order; a replay object has `nonce_seen(nonce)`,
    `sequence_ok(sequence)` and `accept(sequence, nonce)`. Ages are milliseconds.
    """

    def __init__(self, direction, slots, device_id=None, tenant_id=None, tenant_required=False):
        self.direction = direction
        self.slots = slots
        self.device_id = device_id
        self.tenant_id = tenant_id
        self.tenant_required = tenant_required
        self.max_age = 300000
        self.max_future = 60000

    def judge(self, data, now, channel=None):
        """Return a Message whose `code` is None or the first refusal in the order of the spec.

        `now` is ms since 1970, or None where there is no clock: then every time is TIMESTAMP_FUTURE.
        Changes nothing: call `accept` with an accepted message.
        """
        message = Message()
        try:
            self.parse(data, message)
            self._judge(message, now, channel)
        except HxtpError as refusal:
            message.code = refusal.code
        except (MemoryError, RuntimeError):  # a hostile message on a small heap or stack
            message.code = BUFFER_OVERFLOW
        return message

    def parse(self, data, message):
        """Take the message apart as pipe10 does; a host's other profiles replace this and `hash_holds`."""
        parse(data, message)

    def hash_holds(self, message):
        return digest(message.body) == message.payload_hash

    def _judge(self, message, now, channel):
        known = frame.TYPES[message.type]
        if not known[2] & self.direction or channel not in (None, known[1]):
            raise HxtpError(FRAME_TYPE_INVALID)
        if self.device_id not in (None, message.device_id):
            raise HxtpError(DEVICE_NOT_FOUND)
        if message.tenant_id is None:
            if self.tenant_required:
                raise HxtpError(PERMISSION_DENIED)
        elif self.tenant_id not in (None, message.tenant_id):
            raise HxtpError(PERMISSION_DENIED)
        hashed = self.hash_holds(message)
        slot = None
        if hashed:
            for candidate in self.slots:
                if equal(candidate[0].mac(message.signed), message.signature):
                    slot = candidate
                    break
        # Floors belong to a key; a message that no key signed is measured by the first.
        replay = (slot or self.slots[0])[1]
        if now is None or message.timestamp - now > self.max_future:
            code = TIMESTAMP_FUTURE
        elif now - message.timestamp > self.max_age:
            code = TIMESTAMP_EXPIRED
        elif replay.nonce_seen(message.nonce):
            code = NONCE_REUSED
        elif not hashed:
            code = HASH_MISMATCH
        elif not replay.sequence_ok(message.sequence):
            code = SEQUENCE_VIOLATION
        elif slot is None:
            code = SIGNATURE_INVALID
        else:
            code = None
        message.code = code
        message.slot = slot
        message.authentic = slot is not None
        message.rotated = slot is not None and slot is not self.slots[0]

    def accept(self, message):
        """Remember an accepted message, so that it is not accepted again."""
        message.slot[1].accept(message.sequence, message.nonce)


def build(key, fields, body, framed=True):
    """Return the bytes of a signed message, members sorted, compact, ASCII.

    `fields`: message_type, device_id, client_id, message_id, request_id, sequence_number (int),
    timestamp (int, ms), nonce (str), and where they are wanted tenant_id and action (str).
    `body`: the JSON object of the body as ASCII bytes, embedded as given: `jsontext.dumps` sorts its members
    and refuses its numbers (HX3-WIRE-34, HX3-WIRE-35); here nothing is looked into.
    """
    head, tail = _around(key, fields, digest(body))
    start = frame.header(fields["message_type"], len(head) + len(body) + len(tail)) if framed else b""
    return b"".join((start, head, body, tail))


class Stream:
    """What `build` returns, in pieces and without ever holding the whole: len(), and once to iterate over.

    `pieces`: gives the body's text (str) piece by piece; `size` of it in all, and `payload_hash` as `digest`
    gives it, are known before.
    """

    def __init__(self, key, fields, payload_hash, size, pieces, framed=True):
        self._head, self._tail = _around(key, fields, payload_hash)
        self._pieces = pieces
        size += len(self._head) + len(self._tail)
        if framed:
            self._head = frame.header(fields["message_type"], size) + self._head
            size += frame.HEADER
        self._size = size

    def __len__(self):
        return self._size

    def __iter__(self):
        yield self._head
        for piece in self._pieces:
            yield piece if isinstance(piece, bytes) else piece.encode()
        yield self._tail


def _around(key, fields, payload_hash):
    """(bytes before, bytes after) the body of a signed message."""
    raw = [str(fields[name]).encode() for name in _SIGNED]
    kind = fields["message_type"].encode()
    signature = hexlify(key.mac(signed_text(*raw, kind, payload_hash)))
    members = dict(fields)
    members["params"] = None
    members["payload_hash"] = payload_hash.decode()
    members["signature"] = signature.decode()
    members["version"] = VERSION
    before = ""
    text = []
    mark = "{"
    for name in sorted(members):
        value = members[name]
        if name == "params":
            before = "".join(text) + ',"params":'
            text = []
        else:
            text.append('%s"%s":%s' % (mark, name, str(value) if type(value) is int else dumps(value)))
        mark = ","
    text.append("}")
    return before.encode(), "".join(text).encode()
