"""MQTT 3.1.1 for the device, over umqtt.simple with all replaced that can block, overflow or hang in it.

Every call makes one short step. A lost PUBACK, a silent or a lying broker end in an exception from `poll`,
never in waiting. This module must never know what a payload means.
"""

import struct

from umqtt.simple import MQTTClient, MQTTException

MAX_PAYLOAD = 16384 + 8
MAX_TOPIC = 128
CONNECT_TIME = 20000  # ms: for TCP, TLS and CONNACK together
ANSWER_TIME = 15000  # ms: for SUBACK, PUBACK, PINGRESP
IN_FLIGHT = 4  # publishes without their PUBACK
BACKLOG = 8  # packets that wait to leave, beyond which nothing is read

_REFUSALS = ("", "protocol version", "client id", "server unavailable", "user or password", "not authorised")


def _packet(first, *pieces, more=0):
    size = more  # bytes that come after these
    for piece in pieces:
        size += len(piece)
    head = bytearray((first,))
    while size > 127:
        head.append(size & 127 | 128)
        size >>= 7
    head.append(size)
    return b"".join((head,) + pieces)


def _text(value):
    if isinstance(value, str):
        value = value.encode()
    return struct.pack(">H", len(value)) + value


class Link(MQTTClient):
    """One connection at a time. `connected`: the broker took us. `subscribed`: and our subscriptions.

    Keyword arguments are those of MQTTClient; keepalive is in seconds. `open(host, port, ssl)` is a generator
    like net.connect. Times are monotonic ms. Deadlines are checked in `poll`, which must be called often.
    """

    def __init__(self, open, client_id, server, **options):
        super().__init__(client_id, server, **options)
        self._open = open
        self._opening = None
        self.close()

    def wait_msg(self):
        """Not here, like the next three: they wait for the broker, or write past what is still queued."""
        raise MQTTException("use poll")

    check_msg = ping = disconnect = wait_msg

    def close(self):
        """Drop the connection, whatever state it is in; the broker then publishes the will."""
        for end in (self._opening, self.sock):
            if end:
                try:
                    end.close()
                except OSError:  # it is gone either way
                    pass
        self.sock = self._opening = self._reader = None
        self._out = []
        self._sent = 0
        self._flight = []
        self._pinging = self.connected = self.subscribed = False

    def connect(self, now):
        """Begin to connect, with a clean session and the will; `poll` goes on with it."""
        self.close()
        fields = [self.client_id, self.lw_topic, self.lw_msg, self.user, self.pswd]
        head = struct.pack(">H4sBBH", 4, b"MQTT", 4, 0xC6, self.keepalive)
        self._out.append(_packet(0x10, head, *[_text(field) for field in fields]))
        self._deadline = now + CONNECT_TIME
        self._opening = self._open(self.server, self.port, self.ssl)

    def subscribe(self, topics, now):
        """Subscribe to `topics` at QoS 1, all in one packet."""
        self.pid = self.pid % 65535 + 1
        self._deadline = now + ANSWER_TIME
        self._out.append(
            _packet(0x82, struct.pack(">H", self.pid), *[_text(topic) + b"\x01" for topic in topics])
        )

    def ready(self):
        """Whether there is room for another publish."""
        return self.subscribed and not self._out and len(self._flight) < IN_FLIGHT

    def publish(self, topic, payload, qos, now):
        """Queue a message; at QoS 1 the link is dead if its PUBACK does not come within 15 s.

        `payload`: bytes, or what has a len() and gives them piece by piece as there is room for the next.
        """
        pid = b""
        if qos:
            self.pid = self.pid % 65535 + 1
            pid = struct.pack(">H", self.pid)
            self._flight.append((self.pid, now + ANSWER_TIME))
        # Two writes and no copy: put together, they would want room in one piece once more.
        self._out.append(_packet(0x30 | qos << 1, _text(topic), pid, more=len(payload)))
        if type(payload) is not type(b""):
            self._out.append(None)  # where the pieces come
            self._pieces = iter(payload)
        elif payload:
            self._out.append(payload)
        self._flush()

    def poll(self, now):
        """Go on. Returns None or one message: (topic as bytes, payload, retained, dup).

        The payload is None where it was too large. Raises OSError or MQTTException where this connection is
        at its end; then `close` it.
        """
        self._now = now
        message = None
        if self._opening:
            sock = next(self._opening)
            if sock:
                self.sock = sock
                self._opening = None
                self._reader = self._packets()
        if self.sock:
            self._flush()
            if len(self._out) < BACKLOG:
                message = next(self._reader)
        self._check(now)
        return message

    def _check(self, now):
        late = None
        if not self.subscribed:
            if now >= self._deadline:
                late = "SUBSCRIBE" if self.connected else "CONNECT"
        elif self._flight and now >= self._flight[0][1]:
            late = "PUBLISH"
        elif now >= self._deadline:
            if self._pinging:
                late = "PINGREQ"
            else:
                self._pinging = True
                self._deadline = now + ANSWER_TIME
                self._out.append(b"\xc0\x00")
        if late:
            raise MQTTException("no answer to " + late)

    def _flush(self):
        while self._out and self.sock:
            packet = self._out[0]
            if packet is None:
                try:
                    self._out.insert(0, next(self._pieces))
                except StopIteration:
                    self._out.pop(0)
                    self._pieces = None  # which may hold the last of them
                continue
            # TLS wants the very same bytes again after a write that did not go through.
            sent = self.sock.write(memoryview(packet)[self._sent :] if self._sent else packet)
            if not sent:
                return
            self._sent += sent
            if self._sent >= len(packet):
                self._out.pop(0)
                self._sent = 0

    # -- inbound: generators, which go on where the bytes ran out; each yields None there ---------------

    def _packets(self):
        byte = bytearray(1)
        two = bytearray(2)
        while True:
            yield from self._fill(byte)
            first = byte[0]
            size = shift = 0
            while True:
                yield from self._fill(byte)
                size |= (byte[0] & 127) << shift
                shift += 7
                if byte[0] < 128:
                    break
                if shift > 21:
                    raise MQTTException("malformed length")
            if first >> 4 != 3:
                if size > 4:
                    raise MQTTException("unexpected packet")
                body = bytearray(size)
                yield from self._fill(body)
                self._control(first, bytes(body))
                yield None
                continue
            if size < 2:
                raise MQTTException("malformed PUBLISH")
            yield from self._fill(two)
            length = two[0] << 8 | two[1]
            qos = first >> 1 & 3
            size -= 2 + length + 2 * (qos > 0)
            if size < 0 or qos > 1:
                raise MQTTException("malformed PUBLISH")
            topic = yield from self._bytes(length, MAX_TOPIC)
            if qos:
                yield from self._fill(two)
                pid = bytes(two)
            payload = yield from self._bytes(size, MAX_PAYLOAD)
            if qos:
                self._out.append(b"\x40\x02" + pid)
            yield topic, payload, first & 1 == 1, first & 8 == 8

    def _fill(self, buffer):
        """Fill the buffer with what comes."""
        view = memoryview(buffer)
        while len(view):
            count = self._got(self.sock.readinto(view))
            if count is None:
                yield None
            else:
                view = view[count:]

    def _got(self, some):
        if not some and some is not None:
            raise MQTTException("closed by the broker")
        return some

    def _bytes(self, size, most):
        """Returns `size` bytes, as they were read where all came at once. Too many, or no memory: discards
        them in pieces, returns None.
        """
        data = b""
        buffer = None
        try:
            while size and size <= most and not data:
                data = self._got(self.sock.read(size)) or b""
                if not data:
                    yield None
            if len(data) == size:
                return data
            buffer = bytearray(size if size <= most else 0)
        except MemoryError:  # discard it like one that is too large
            pass
        if buffer:
            buffer[: len(data)] = data
            yield from self._fill(memoryview(buffer)[len(data) :])
            try:
                return bytes(buffer)
            except MemoryError:
                return None
        size -= len(data)
        while size:
            buffer = bytearray(min(size, 256))
            yield from self._fill(buffer)
            size -= len(buffer)
            yield None
        return None

    def _control(self, first, body):
        if first == 0x20 and len(body) == 2 and not self.connected:
            if body[1]:
                why = _REFUSALS[body[1]] if body[1] < len(_REFUSALS) else "code %d" % body[1]
                raise MQTTException("refused by the broker: " + why)
            self.connected = True
        elif first == 0x90 and body[:2] == struct.pack(">H", self.pid) and not self.subscribed:
            if 0x80 in body[2:]:
                raise MQTTException("subscription refused by the broker")
            self.subscribed = True
            self._deadline = self._now + 500 * self.keepalive
        elif first == 0x40 and len(body) == 2:
            pid = body[0] << 8 | body[1]
            self._flight = [entry for entry in self._flight if entry[0] != pid]
        elif first == 0xD0 and not body:
            self._pinging = False
            self._deadline = self._now + 500 * self.keepalive
        else:
            raise MQTTException("unexpected packet")
