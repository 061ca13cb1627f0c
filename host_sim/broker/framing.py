"""A byte stream, sliced anyhow, into whole MQTT packets.

It must never keep more than one packet of at most `max_packet_size` bytes waiting, and never
read what is in a packet: that is `packets.decode`.
"""

from host_sim.broker.packets import (
    FIRST_BYTE_ERRORS,
    MAX_LENGTH,
    PUBLISH,
    Packet,
    ProtocolError,
    Publish,
    decode,
)


class Framer:
    """Cuts a byte stream into whole packets, still encoded.

    `feed()` then `next_frame()` until None. A bad first byte, an overlong length and a size
    over `max_packet_size` are refused as soon as those bytes are there, before anything is
    kept for them. After a `ProtocolError` the stream is lost: end the connection.
    """

    __slots__ = ("_by_kind", "_data", "_max", "_need", "_pos")

    def __init__(self, max_packet_size: int = 5 + MAX_LENGTH) -> None:
        self._data: bytes | bytearray = b""
        self._pos = 0
        self._need = 2  # bytes from _pos without which there is nothing to look at
        self.limit(max_packet_size, {})

    def limit(self, max_packet_size: int, by_kind: dict[int, int]) -> None:
        """Another limit from the next packet on; `by_kind` holds tighter ones for types of packet."""
        self._max = max_packet_size
        self._by_kind = by_kind

    def feed(self, data: bytes) -> None:
        if not self._data:
            self._data = bytes(data)
        elif self._pos or isinstance(self._data, bytes):
            self._keep_rest()
            self._data += data
        else:
            self._data += data  # in place: a large packet in one-byte slices stays linear

    def next_frame(self) -> bytes | None:
        """The next whole packet's bytes, or None for want of more."""
        data, pos = self._data, self._pos
        available = len(data) - pos
        if available < self._need:
            if available and (error := FIRST_BYTE_ERRORS[data[pos]]):
                raise ProtocolError(*error)
            return self._wait()
        if error := FIRST_BYTE_ERRORS[data[pos]]:
            raise ProtocolError(*error)
        length = shift = 0
        at = pos + 1
        while True:
            if at == len(data):
                return self._wait()
            byte = data[at]
            at += 1
            length |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
            if shift > 21:
                raise ProtocolError("2.2.3", "remaining length of more than four bytes")
        size = at - pos + length
        if size > self._max or (size > 128 and size > self._by_kind.get(data[pos] >> 4, size)):
            raise ProtocolError("limit", f"a packet of {size} bytes, more than may come here")
        if size > available:
            self._need = size
            return self._wait()
        self._need = 2
        self._pos = end = pos + size
        frame = bytes(data[pos:end])
        if end == len(data):
            self._data, self._pos = b"", 0
        return frame

    def _wait(self) -> None:
        """Nothing of what was read stays in memory for the sake of what was not."""
        if self._pos:
            self._keep_rest()

    def _keep_rest(self) -> None:
        self._data = bytearray(memoryview(self._data)[self._pos :])
        self._pos = 0

    def waiting(self) -> int:
        """How many bytes were fed and are in no frame yet."""
        return len(self._data) - self._pos

    def clear(self) -> None:
        """Forget them."""
        self._data, self._pos = b"", 0

    def rest(self) -> bytes:
        """The bytes that were fed and are in no frame yet."""
        return bytes(self._data[self._pos :])


class Parser(Framer):
    """`Framer` plus `decode`: `feed()`, then `next_packet()` until None. Slicing makes no difference.

    Clients mostly publish to the topic that they published to before: that one is not decoded again.
    """

    __slots__ = ("_field", "_name")

    def __init__(self, max_packet_size: int = 5 + MAX_LENGTH) -> None:
        super().__init__(max_packet_size)
        self._name = ""  # the topic of the last message
        self._field = b""  # the same as it stands in a packet

    def next_packet(self) -> Packet | None:
        """The next whole packet, or None for want of more. Raises ProtocolError: the stream is lost."""
        data, pos = self._data, self._pos
        available = len(data) - pos
        if available < self._need or available < 4:
            return self._next()
        first, length, at = data[pos], data[pos + 1], pos + 2
        if length > 127:
            more = data[at]
            at += 1
            if not 0 < more < 128:
                return self._next()
            length += (more - 1) << 7
        end = at + length
        start = at + len(self._field)
        # Whole, small enough, a PUBLISH neither retained nor sent again, to the same topic as the last.
        if (
            end - pos > available
            or end - pos > self._max
            or (first != 0x30 and first != 0x32)
            or start > end
            or data[at:start] != self._field
            or not self._name
            or PUBLISH in self._by_kind
        ):
            return self._next()
        packet_id = 0
        if first == 0x32:
            packet_id = int.from_bytes(data[start : start + 2], "big")
            start += 2
            if start > end or not packet_id:
                return self._next()
        self._need = 2
        self._pos = end
        if end == len(data):
            self._data, self._pos = b"", 0
        plain = bytes(data[pos:end]) if first == 0x30 else None
        return Publish(self._name, bytes(data[start:end]), first >> 1 & 1, False, False, packet_id, plain)

    def next_alike(self, most: int) -> list[bytes]:
        """The payloads of up to `most` messages that stand next, as long as they are whole, of QoS 0, neither
        retained nor sent again, and to the topic of the last message. What is no such message stays.
        """
        data, pos, field, limit = self._data, self._pos, self._field, self._max
        if not self._name or PUBLISH in self._by_kind or pos == len(data):
            return []
        if type(data) is not bytes:  # from now on it is, however many messages of other topics are in it
            data, pos = bytes(memoryview(data)[pos:]), 0
            self._data, self._pos = data, pos
        found: list[bytes] = []
        head = field  # all that stands before a payload; most are as long as the one before
        length = 0  # of a payload behind this head
        while len(found) < most:
            start = pos + len(head)
            if data[pos:start] != head or not length:
                if len(data) - pos < 4 or data[pos] != 0x30:
                    break
                start, length = pos + 2, data[pos + 1]
                if length > 127:
                    more = data[start]
                    start += 1
                    if not 0 < more < 128:
                        break
                    length += (more - 1) << 7
                length -= len(field)
                if length < 0 or data[start : start + len(field)] != field:
                    break
                start += len(field)
                head = data[pos:start]
            end = start + length
            if end > len(data) or end - pos > limit:
                break
            found.append(data[start:end])
            pos = end
        if found:
            self._need = 2
            self._data, self._pos = (b"", 0) if pos == len(data) else (data, pos)
        return found

    def _next(self) -> Packet | None:
        frame = self.next_frame()
        if frame is None:
            return None
        packet = decode(frame)
        if type(packet) is Publish and packet.topic != self._name:
            topic = packet.topic.encode()
            self._name, self._field = packet.topic, len(topic).to_bytes(2, "big") + topic
        return packet
