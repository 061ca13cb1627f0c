"""The MQTT 3.1.1 packets: one whole packet from its bytes, and back. `framing` cuts the stream.

It decides whether bytes are a packet, never whether a packet is allowed: that is the
core's business. Every malformed input raises `ProtocolError`, which names the clause of
the standard (OASIS MQTT 3.1.1), and nothing else. The packets of QoS 2 (PUBREC, PUBREL,
PUBCOMP) are refused here, because this broker never takes part in a QoS 2 exchange.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from host_sim.broker import topics

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 8, 9, 10, 11
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14

# CONNACK return codes (3.2.2.3)
ACCEPTED = 0
UNACCEPTABLE_PROTOCOL_VERSION = 1
IDENTIFIER_REJECTED = 2
SERVER_UNAVAILABLE = 3
BAD_USER_NAME_OR_PASSWORD = 4
NOT_AUTHORIZED = 5

SUBSCRIPTION_REFUSED = 0x80  # SUBACK (3.9.3)
MAX_LENGTH = 268_435_455  # the largest remaining length (2.2.3)


class ProtocolError(Exception):
    """Bytes that are no MQTT 3.1.1, or a packet out of place: the connection must end [MQTT-4.8.0-1].

    `clause` is the broken statement's id as the standard prints it (`MQTT-3.1.0-2`), a bare
    section number where it has no id, or `limit` for a limit of ours.
    """

    def __init__(self, clause: str, text: str) -> None:
        super().__init__(f"{text} [{clause}]")
        self.clause = clause


# -- packets --


@dataclass(slots=True)
class Publish:
    """A message, a will, or a retained message. `packet_id` is 0 exactly when `qos` is 0 (and in a will)."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int = 0
    _plain: bytes | None = field(default=None, repr=False, compare=False)

    def encode(self) -> bytes:
        first = 0x30 | self.dup << 3 | self.qos << 1 | self.retain
        if self.qos:
            return _frame(first, _text(self.topic) + self.packet_id.to_bytes(2, "big") + self.payload)
        return _frame(first, _text(self.topic) + self.payload)

    def plain(self) -> bytes:
        """The message at QoS 0, not retained: encoded once for all receivers, or the very bytes received."""
        if self._plain is None:
            self._plain = _frame(0x30, _text(self.topic) + self.payload)
        return self._plain


@dataclass(slots=True)
class Connect:
    """A client's first packet.

    A protocol level other than 4 leaves everything but `level` at its default: what
    follows has another layout there, and the answer is the same whatever it holds.
    """

    client_id: str
    clean_session: bool = True
    keepalive: int = 0  # seconds
    username: str | None = None
    password: bytes | None = field(default=None, repr=False)
    will: Publish | None = None
    level: int = 4

    def encode(self) -> bytes:
        flags = self.clean_session << 1
        payload = _text(self.client_id)
        if self.will is not None:
            flags |= 0x04 | self.will.qos << 3 | self.will.retain << 5
            payload += _text(self.will.topic) + _binary(self.will.payload)
        if self.username is not None:
            flags |= 0x80
            payload += _text(self.username)
        if self.password is not None:
            flags |= 0x40
            payload += _binary(self.password)
        head = b"\x00\x04MQTT" + bytes((self.level, flags)) + self.keepalive.to_bytes(2, "big")
        return _frame(CONNECT << 4, head + payload)


@dataclass(slots=True)
class Connack:
    code: int
    session_present: bool = False

    def encode(self) -> bytes:
        return bytes((CONNACK << 4, 2, self.session_present, self.code))


@dataclass(slots=True)
class Subscribe:
    packet_id: int
    filters: list[tuple[str, int]]  # (topic filter, requested QoS), in the order sent

    def encode(self) -> bytes:
        body = b"".join(_text(topic_filter) + bytes((qos,)) for topic_filter, qos in self.filters)
        return _frame(SUBSCRIBE << 4 | 2, self.packet_id.to_bytes(2, "big") + body)


@dataclass(slots=True)
class Suback:
    packet_id: int
    codes: list[int]

    def encode(self) -> bytes:
        return _frame(SUBACK << 4, self.packet_id.to_bytes(2, "big") + bytes(self.codes))


@dataclass(slots=True)
class Unsubscribe:
    packet_id: int
    filters: list[str]

    def encode(self) -> bytes:
        body = b"".join(map(_text, self.filters))
        return _frame(UNSUBSCRIBE << 4 | 2, self.packet_id.to_bytes(2, "big") + body)


@dataclass(slots=True)
class Puback:
    packet_id: int
    first: ClassVar[int] = PUBACK << 4

    def encode(self) -> bytes:
        return bytes((self.first, 2)) + self.packet_id.to_bytes(2, "big")


@dataclass(slots=True)
class Unsuback(Puback):
    first: ClassVar[int] = UNSUBACK << 4


@dataclass(slots=True)
class Pingreq:
    first: ClassVar[int] = PINGREQ << 4

    def encode(self) -> bytes:
        return bytes((self.first, 0))


@dataclass(slots=True)
class Pingresp(Pingreq):
    first: ClassVar[int] = PINGRESP << 4


@dataclass(slots=True)
class Disconnect(Pingreq):
    first: ClassVar[int] = DISCONNECT << 4


Packet = (
    Connect | Connack | Publish | Puback | Subscribe | Suback | Unsubscribe | Unsuback
    | Pingreq | Pingresp | Disconnect
)  # fmt: skip


# -- bytes to packets --


def _first_byte_error(first: int) -> tuple[str, str] | None:
    kind, flags = first >> 4, first & 15
    if kind in (0, 15):
        return "2.2.1", "reserved packet type"
    if kind in (5, 6, 7):
        return "MQTT-4.8.0-1", "a QoS 2 packet, which this broker never asked for"
    if kind == PUBLISH:
        if flags & 6 == 6:
            return "MQTT-3.3.1-4", "QoS 3"
        if flags & 14 == 8:
            return "MQTT-3.3.1-2", "DUP on a QoS 0 message"
        return None
    if flags != (2 if kind in (SUBSCRIBE, UNSUBSCRIBE) else 0):
        return "MQTT-2.2.2-2", "reserved flags of the fixed header"
    return None


FIRST_BYTE_ERRORS = tuple(_first_byte_error(first) for first in range(256))


def decode(frame: bytes) -> Packet:
    """One whole packet as `framing.Framer` gives it, so with a checked first byte and length."""
    body = 1
    while frame[body] & 0x80:
        body += 1
    body += 1
    return _DECODERS[frame[0] >> 4](frame, body)


def _publish(frame: bytes, pos: int) -> Publish:
    first = frame[0]
    # A length written longer than needed may be read, but is not what we would write: not passed on.
    plain = frame if first == 0x30 and (pos == 2 or frame[pos - 1]) else None
    topic, pos = _get_text(frame, pos)
    if not topics.is_name(topic):
        raise ProtocolError("MQTT-4.7.3-1" if not topic else "MQTT-3.3.2-2", "not a topic name")
    qos = first >> 1 & 3
    packet_id = 0
    if qos:
        packet_id, pos = _get_packet_id(frame, pos)
    return Publish(topic, frame[pos:], qos, bool(first & 1), bool(first & 8), packet_id, plain)


def _connect(frame: bytes, pos: int) -> Connect:
    name, pos = _get_text(frame, pos)
    if name not in ("MQTT", "MQIsdp"):
        raise ProtocolError("MQTT-3.1.2-1", "protocol name")
    level, pos = _get_byte(frame, pos)
    if (name, level) != ("MQTT", 4):
        return Connect("", level=level)
    flags, pos = _get_byte(frame, pos)
    keepalive, pos = _get_number(frame, pos)
    if flags & 0x01:
        raise ProtocolError("MQTT-3.1.2-3", "reserved connect flag")
    if flags & 0x18 == 0x18:
        raise ProtocolError("MQTT-3.1.2-14", "will QoS 3")
    if not flags & 0x04 and flags & 0x38:
        raise ProtocolError("MQTT-3.1.2-11", "will QoS or will retain without a will")
    if flags & 0xC0 == 0x40:
        raise ProtocolError("MQTT-3.1.2-22", "a password without a user name")
    packet = Connect("", bool(flags & 0x02), keepalive)
    packet.client_id, pos = _get_text(frame, pos)
    if flags & 0x04:
        topic, pos = _get_text(frame, pos)
        if not topics.is_name(topic):
            raise ProtocolError("MQTT-4.7.1-1", "the will topic is no topic name")
        payload, pos = _get_binary(frame, pos)
        packet.will = Publish(topic, payload, flags >> 3 & 3, bool(flags & 0x20))
    if flags & 0x80:
        packet.username, pos = _get_text(frame, pos)
    if flags & 0x40:
        packet.password, pos = _get_binary(frame, pos)
    _end(frame, pos)
    return packet


def _connack(frame: bytes, pos: int) -> Connack:
    flags, pos = _get_byte(frame, pos)
    code, pos = _get_byte(frame, pos)
    _end(frame, pos)
    if flags > 1:
        raise ProtocolError("MQTT-2.2.2-1", "reserved connect acknowledge flags")
    if code > NOT_AUTHORIZED:
        raise ProtocolError("3.2.2.3", "reserved return code")
    if code and flags:
        raise ProtocolError("MQTT-3.2.2-4", "session present with a refusal")
    return Connack(code, bool(flags))


def _puback(frame: bytes, pos: int) -> Puback:
    packet_id, pos = _get_packet_id(frame, pos)
    _end(frame, pos)
    return (Puback if frame[0] >> 4 == PUBACK else Unsuback)(packet_id)


def _subscribe(frame: bytes, pos: int) -> Subscribe:
    packet_id, pos = _get_packet_id(frame, pos)
    filters = []
    while pos < len(frame):
        topic_filter, pos = _get_filter(frame, pos)
        qos, pos = _get_byte(frame, pos)
        if qos > 2:
            raise ProtocolError("MQTT-3-8.3-4", "requested QoS")
        filters.append((topic_filter, qos))
    if not filters:
        raise ProtocolError("MQTT-3.8.3-3", "SUBSCRIBE without a filter")
    return Subscribe(packet_id, filters)


def _suback(frame: bytes, pos: int) -> Suback:
    packet_id, pos = _get_packet_id(frame, pos)
    codes = list(frame[pos:])
    if not codes or any(code > 2 and code != SUBSCRIPTION_REFUSED for code in codes):
        raise ProtocolError("MQTT-3.9.3-2", "SUBACK return codes")
    return Suback(packet_id, codes)


def _unsubscribe(frame: bytes, pos: int) -> Unsubscribe:
    packet_id, pos = _get_packet_id(frame, pos)
    filters = []
    while pos < len(frame):
        topic_filter, pos = _get_filter(frame, pos)
        filters.append(topic_filter)
    if not filters:
        raise ProtocolError("MQTT-3.10.3-2", "UNSUBSCRIBE without a filter")
    return Unsubscribe(packet_id, filters)


def _empty(frame: bytes, pos: int) -> Pingreq:
    _end(frame, pos)
    kind = frame[0] >> 4
    return Pingreq() if kind == PINGREQ else Pingresp() if kind == PINGRESP else Disconnect()


_DECODERS = {
    CONNECT: _connect, CONNACK: _connack, PUBLISH: _publish, PUBACK: _puback,
    SUBSCRIBE: _subscribe, SUBACK: _suback, UNSUBSCRIBE: _unsubscribe, UNSUBACK: _puback,
    PINGREQ: _empty, PINGRESP: _empty, DISCONNECT: _empty,
}  # fmt: skip


# -- fields --


def _get_byte(frame: bytes, pos: int) -> tuple[int, int]:
    if pos >= len(frame):
        raise ProtocolError("MQTT-4.8.0-1", "truncated packet")
    return frame[pos], pos + 1


def _get_number(frame: bytes, pos: int) -> tuple[int, int]:
    if pos + 2 > len(frame):
        raise ProtocolError("MQTT-4.8.0-1", "truncated packet")
    return frame[pos] << 8 | frame[pos + 1], pos + 2


def _get_binary(frame: bytes, pos: int) -> tuple[bytes, int]:
    length, pos = _get_number(frame, pos)
    end = pos + length
    if end > len(frame):
        raise ProtocolError("MQTT-4.8.0-1", "truncated packet")
    return frame[pos:end], end


def _get_text(frame: bytes, pos: int) -> tuple[str, int]:
    raw, pos = _get_binary(frame, pos)
    try:
        text = raw.decode()  # refuses surrogates, keeps a byte-order mark [MQTT-1.5.3-3]
    except UnicodeDecodeError:
        raise ProtocolError("MQTT-1.5.3-1", "ill-formed UTF-8") from None
    if "\0" in text:
        raise ProtocolError("MQTT-1.5.3-2", "U+0000 in a string")
    return text, pos


def _get_packet_id(frame: bytes, pos: int) -> tuple[int, int]:
    packet_id, pos = _get_number(frame, pos)
    if not packet_id:
        raise ProtocolError("MQTT-2.3.1-1", "packet identifier 0")
    return packet_id, pos


def _get_filter(frame: bytes, pos: int) -> tuple[str, int]:
    topic_filter, pos = _get_text(frame, pos)
    if not topics.is_filter(topic_filter):
        raise ProtocolError("MQTT-4.7.3-1" if not topic_filter else "MQTT-4.7.1-2", "not a topic filter")
    return topic_filter, pos


def _end(frame: bytes, pos: int) -> None:
    if pos != len(frame):
        raise ProtocolError("MQTT-4.8.0-1", "bytes after the end of the packet")


def _frame(first: int, body: bytes) -> bytes:
    length = len(body)
    if length < 128:
        return bytes((first, length)) + body
    if length > MAX_LENGTH:
        raise ValueError(f"{length} bytes do not fit into an MQTT packet")
    head = bytearray((first,))
    while length > 127:
        head.append(length & 127 | 128)
        length >>= 7
    head.append(length)
    return bytes(head) + body


def _text(text: str) -> bytes:
    return _binary(text.encode())


def _binary(raw: bytes) -> bytes:
    if len(raw) > 65535:
        raise ValueError(f"{len(raw)} bytes do not fit into an MQTT field of 65,535")
    return len(raw).to_bytes(2, "big") + raw
