"""A broker's end of one socket, in memory: what a device's MQTT link meets, without a network or a clock.

It answers as a broker does unless told not to, and hands over bytes in pieces of any size.
"""

import struct


def packet(first: int, body: bytes = b"") -> bytes:
    head = bytearray([first])
    size = len(body)
    while size > 127:
        head.append(size & 127 | 128)
        size >>= 7
    return bytes(head) + bytes([size]) + body


def publish(
    topic: str, payload: bytes, qos: int = 0, pid: int = 1, retain: bool = False, dup: bool = False
) -> bytes:
    name = topic.encode()
    body = struct.pack(">H", len(name)) + name + (struct.pack(">H", pid) if qos else b"") + payload
    return packet(0x30 | dup << 3 | qos << 1 | retain, body)


class Peer:
    """A socket with the interface of MicroPython's, non-blocking, and the broker behind it.

    `chunk`: how many bytes one read gives at most; `room`: how many one write takes (0: would block; None:
    all). `answers`: the packet types that are answered. `sent`: raw bytes of the device; `packets`: [(first,
    body)]; `published`: [(topic, payload, qos)].
    """

    def __init__(self) -> None:
        self.inbox = bytearray()
        self.sent = bytearray()
        self.packets: list[tuple[int, bytes]] = []
        self.published: list[tuple[str, bytes, int]] = []
        self.chunk = 1 << 30
        self.room: int | None = None
        self.answers = {0x10, 0x30, 0x80, 0xC0}
        self.connack = 0
        self.suback = b"\x01\x01"
        self.ended = False
        self.error: OSError | None = None
        self.closed = 0
        self.reads: list[int] = []
        self.writes: list[bytes] = []
        self._parsed = 0

    # -- what the device sees ---------------------------------------------------------------------

    def readinto(self, view) -> int | None:
        assert not self.closed
        self.reads.append(len(view))
        if self.error:
            raise self.error
        count = min(len(view), len(self.inbox), self.chunk)
        if not count:
            return 0 if self.ended else None
        view[:count] = self.inbox[:count]
        del self.inbox[:count]
        return count

    def read(self, size: int) -> bytes | None:
        buffer = bytearray(size)
        count = self.readinto(memoryview(buffer))
        return None if count is None else bytes(buffer[:count])

    def write(self, data) -> int | None:
        assert not self.closed
        if self.error:
            raise self.error
        self.writes.append(bytes(data))
        count = len(data) if self.room is None else min(self.room, len(data))
        if not count:
            return None
        self.sent += data[:count]
        self._parse()
        return count

    def close(self) -> None:
        self.closed += 1

    # -- the broker -------------------------------------------------------------------------------

    def _parse(self) -> None:
        while True:
            at = self._parsed
            size = shift = 0
            at += 1
            while True:
                if at >= len(self.sent):
                    return
                size |= (self.sent[at] & 127) << shift
                shift += 7
                at += 1
                if self.sent[at - 1] < 128:
                    break
            if at + size > len(self.sent):
                return
            first, body = self.sent[self._parsed], bytes(self.sent[at : at + size])
            self._parsed = at + size
            self.packets.append((first, body))
            self._answer(first, body)

    def _answer(self, first: int, body: bytes) -> None:
        kind = first & 0xF0
        if kind == 0x30:
            length = struct.unpack_from(">H", body)[0]
            qos = first >> 1 & 3
            start = 2 + length + (2 if qos else 0)
            self.published.append((body[2 : 2 + length].decode(), body[start:], qos))
            if qos and kind in self.answers:
                self.inbox += packet(0x40, body[2 + length : start])
        elif kind not in self.answers:
            return
        elif kind == 0x10:
            self.inbox += packet(0x20, bytes([0, self.connack]))
        elif kind == 0x80:
            self.inbox += packet(0x90, body[:2] + self.suback)
        elif kind == 0xC0:
            self.inbox += packet(0xD0)

    def pids(self, kind: int) -> list[int]:
        """The packet ids of all packets of one type, in order."""
        found = []
        for first, body in self.packets:
            if first & 0xF0 == kind:
                at = 2 + struct.unpack_from(">H", body)[0] if kind == 0x30 else 0
                if kind != 0x30 or first & 6:
                    found.append(struct.unpack_from(">H", body, at)[0])
        return found


class Air:
    """Hands out peers as `open` of a link: each connection gets the next one, made by `make`."""

    def __init__(self, make=Peer, steps: int = 1) -> None:
        self.make = make
        self.steps = steps  # polls until a connection stands
        self.peers: list[Peer] = []
        self.targets: list[tuple] = []
        self.refuse: Exception | None = None
        self.abandoned = 0

    @property
    def peer(self) -> Peer:
        return self.peers[-1]

    def __call__(self, host, port, tls):
        self.targets.append((host, port, tls))
        try:
            for _ in range(self.steps):
                yield None
            if self.refuse:
                raise self.refuse
        except GeneratorExit:
            self.abandoned += 1
            raise
        self.peers.append(self.make())
        yield self.peers[-1]
