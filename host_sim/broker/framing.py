"""A byte stream, sliced anyhow, into whole MQTT packets.

It must never keep more than one packet of at most `max_packet_size` bytes waiting, and never
read what is in a packet: that is `packets.decode`.
"""

from host_sim.broker.packets import FIRST_BYTE_ERRORS, MAX_LENGTH, Packet, ProtocolError, decode


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
    """`Framer` plus `decode`: `feed()`, then `next_packet()` until None. Slicing makes no difference."""

    __slots__ = ()

    def next_packet(self) -> Packet | None:
        frame = self.next_frame()
        return None if frame is None else decode(frame)
