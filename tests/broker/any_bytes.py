"""What must hold of any bytes that come to the parser and the whole core, whoever chooses them.

Hypothesis does in test_any_bytes.py, and atheris, led by coverage, in fuzz.py.
"""

from host_sim.broker.core import Broker, Connection, Settings
from host_sim.broker.framing import Parser
from host_sim.broker.packets import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    ProtocolError,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    decode,
)

LARGEST = 400  # bytes of a packet here: small, so that limits are met


def parse(data: bytes, step: int) -> tuple[list[Packet], str | None]:
    """The packets in a stream that comes `step` bytes at a time, and the clause of what ended it, or None."""
    parser, found = Parser(LARGEST), []
    try:
        for at in range(0, len(data), step):
            parser.feed(data[at : at + step])
            while (packet := parser.next_packet()) is not None:
                found.append(packet)
    except ProtocolError as error:
        return found, error.clause
    return found, None


def one_input(data: bytes) -> int:
    """How many packets are in the bytes; AssertionError, or whatever escapes, for bytes that break something.

    The first byte chooses how they are sliced and whom they come from; the rest is the stream.
    """
    if not data:
        return 0
    choice, stream = data[0], data[1:]
    packets, clause = whole = parse(stream, len(stream) or 1)
    assert parse(stream, 1) == whole
    assert parse(stream, 2 + (choice >> 3)) == whole
    for packet in packets:
        if not (isinstance(packet, Connect) and packet.level != 4):
            assert parse(packet.encode(), LARGEST) == ([packet], None)
    _converse(
        stream, greets=bool(choice & 1), clean=bool(choice & 2), step=1 + (choice >> 4 if choice & 4 else 999)
    )
    return len(packets) + (clause is not None)


def _converse(stream: bytes, greets: bool, clean: bool, step: int) -> None:
    """The stream as a client's, in a broker where somebody else is connected, who must not notice."""
    limits = Settings(
        max_packet_size=LARGEST, max_connect_size=200, max_inflight=2, max_queued=2, max_subscriptions=5,
        max_output_bytes=1000, work_per_turn=3, max_retained=5,
    )  # fmt: skip
    broker = Broker(settings=limits)
    broker.publish(Publish("kept", b"x", 1, retain=True))
    friend = broker.open(0)
    friend.receive(Connect("friend").encode() + Subscribe(1, [("#", 1)]).encode(), 0)
    stranger = broker.open(0)
    if greets:
        stranger.receive(Connect("stranger", clean, will=Publish("w", b"")).encode(), 0)
        stranger.receive(Subscribe(1, [("+/#", 1)]).encode(), 0)
    for at in range(0, len(stream), step):
        stranger.receive(stream[at : at + step], at)
        if at % 3 == 0:
            for frame in stranger.take_frames():
                decode(frame)
    while broker.ready:
        broker.turn(len(stream))
    stranger.take_frames()
    stranger.closed(len(stream))
    _hear(broker, friend)
    broker.publish(Publish("after", b"all"))
    friend.receive(Pingreq().encode(), 1)
    heard = _hear(broker, friend)
    if friend.closing:
        assert b"friend" in stream  # somebody came under its name
    else:
        assert heard[-1] == Pingresp()
    friend.closed(2)
    for name in list(broker.sessions):
        broker.forget(name, 3)
    assert (broker.held, broker.sessions, len(broker._tree), broker._connections) == (0, {}, 0, {})


def _hear(broker: Broker, connection: Connection) -> list[Packet]:
    """All that it is sent, acknowledged."""
    heard = []
    while frames := connection.take_frames():
        found = [decode(frame) for frame in frames]
        heard += found
        acks = b"".join(
            Puback(packet.packet_id).encode()
            for packet in found
            if isinstance(packet, Publish) and packet.qos
        )
        connection.receive(acks, 1)
        while broker.ready:
            broker.turn(1)
    return heard


SEEDS = [
    bytes([choice]) + b"".join(packet.encode() for packet in packets)
    for choice, packets in enumerate(
        [
            [Connect("a", will=Publish("w/x", b"gone", 1, True), username="u", password=b"p", keepalive=9)],
            [Publish("a/b", b"payload", 1, packet_id=7), Publish("kept", b"", retain=True)],
            [Subscribe(2, [("a/+", 1), ("#", 0), ("$x/#", 2)]), Unsubscribe(3, ["a/+", "none"])],
            [Pingreq(), Puback(1), Puback(2), Disconnect()],
            [Connack(0, True), Suback(1, [0, 1, 128]), Unsuback(1), Pingresp()],
            [Connect("friend", False), Subscribe(1, [("+", 1)])],
            [Publish("t", bytes(300), packet_id=9, qos=1, dup=True)] * 3,
            [Connect("", False)],
            [Connect("b", level=5)],
        ]
    )
]
"""One or more packets of every type."""
