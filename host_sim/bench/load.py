"""`python -m host_sim.bench.load PORT COUNT`: one publisher and one subscriber of the broker at PORT, in a
process of their own. Prints the seconds that COUNT messages of 512 bytes took, QoS 0, from the first sent to
the last received.

The packets are made beforehand, and no more of them are under way than WINDOW, so that a broker has no reason
to drop one. A message that is lost or changed is an error, never a better figure.
"""

import select
import socket
import struct
import sys
import time

TOPIC = b"hxtp/bench/device/0123456789abcdef0123456789abcdef/telemetry"
PAYLOAD = 512
BATCH = 32  # packets in one write
WINDOW = 1024
TIMEOUT = 60.0


def string(text: bytes) -> bytes:
    return struct.pack(">H", len(text)) + text


def packet(head: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    assert 128 <= len(body) < 16384 or len(body) < 128
    length = bytes([len(body)]) if len(body) < 128 else bytes([len(body) & 127 | 128, len(body) >> 7])
    return bytes([head]) + length + body


def connect(port: int, client_id: bytes) -> socket.socket:
    """A client's connection, accepted by the broker."""
    sock = socket.create_connection(("127.0.0.1", port), TIMEOUT)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(packet(0x10, string(b"MQTT"), b"\x04\x02\x00\x3c", string(client_id)))
    expect(sock, b"\x20\x02\x00\x00")
    return sock


def expect(sock: socket.socket, answer: bytes) -> None:
    found = sock.recv(len(answer), socket.MSG_WAITALL)
    if found != answer:
        raise ConnectionError(f"the broker says {found.hex()}, not {answer.hex()}")


def run(port: int, count: int) -> float:
    """Seconds for `count` messages, a multiple of BATCH."""
    subscriber = connect(port, b"bench-subscriber")
    subscriber.sendall(packet(0x82, b"\x00\x01", string(TOPIC), b"\x00"))
    expect(subscriber, b"\x90\x03\x00\x01\x00")
    publisher = connect(port, b"bench-publisher")
    one = packet(0x30, string(TOPIC), bytes(range(256)) * (PAYLOAD // 256))
    publisher.sendall(one)
    expect(subscriber, one)
    try:
        return transfer(publisher, subscriber, one, count)
    finally:
        publisher.close()
        subscriber.close()


def transfer(publisher: socket.socket, subscriber: socket.socket, one: bytes, count: int) -> float:
    batch = memoryview(one * BATCH)
    buffer = bytearray(1 << 20)
    size = len(one)
    publisher.setblocking(False)
    subscriber.setblocking(False)
    poller = select.poll()
    poller.register(subscriber, select.POLLIN)
    writing = False
    sent = received = at = 0
    start = time.perf_counter()
    while received < count * size:
        room = sent < count * size and (sent - received) < WINDOW * size
        if room != writing:
            writing = room
            if room:
                poller.register(publisher, select.POLLOUT)
            else:
                poller.unregister(publisher)
        ready = dict(poller.poll(TIMEOUT * 1000))
        if not ready:
            raise TimeoutError(f"{received // size} of {sent // size} messages came through")
        if publisher.fileno() in ready:
            done = publisher.send(batch[at:])
            sent += done
            at = (at + done) % len(batch)
        if subscriber.fileno() in ready:
            got = subscriber.recv_into(buffer)
            if not got:
                raise ConnectionError("the broker closed the subscriber's connection")
            received += got
    seconds = time.perf_counter() - start
    # The stream is the same packet over and over, so that its last bytes tell whether one was lost.
    if received != count * size or bytes(buffer[max(0, got - size) : got]) != one[-min(got, size) :]:
        raise ConnectionError("what arrived is not what was sent")
    return seconds


if __name__ == "__main__":
    print(run(int(sys.argv[1]), int(sys.argv[2])))
