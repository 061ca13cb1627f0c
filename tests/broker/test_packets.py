"""The codec: what is encoded is decoded again, however it is sliced; what is no packet is refused as such."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from host_sim.broker import framing, packets, topics
from host_sim.broker.framing import Framer, Parser
from host_sim.broker.packets import (
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    ProtocolError,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
names = texts.filter(topics.is_name)
filters = st.one_of(names, st.sampled_from(["#", "+", "a/+/#", "/", "$x/#"]))
ids = st.integers(1, 65535)
payloads = st.binary(max_size=300)
wills = st.builds(Publish, names, payloads, st.integers(0, 2), st.booleans())


@st.composite
def publishes(draw):
    qos = draw(st.integers(0, 2))
    return Publish(
        draw(names),
        draw(payloads),
        qos,
        draw(st.booleans()),
        bool(qos) and draw(st.booleans()),
        draw(ids) if qos else 0,
    )


@st.composite
def connects(draw):
    username = draw(st.none() | texts)
    password = None if username is None else draw(st.none() | payloads)
    keepalive = draw(st.integers(0, 65535))
    return Connect(draw(texts), draw(st.booleans()), keepalive, username, password, draw(st.none() | wills))


any_packet = st.one_of(
    connects(),
    publishes(),
    st.builds(Connack, st.just(0), st.booleans()) | st.builds(Connack, st.integers(0, 5)),
    st.builds(Puback, ids),
    st.builds(Subscribe, ids, st.lists(st.tuples(filters, st.integers(0, 2)), min_size=1, max_size=5)),
    st.builds(Suback, ids, st.lists(st.sampled_from([0, 1, 2, 0x80]), min_size=1, max_size=5)),
    st.builds(Unsubscribe, ids, st.lists(filters, min_size=1, max_size=5)),
    st.builds(Unsuback, ids),
    st.sampled_from([Pingreq(), Pingresp(), Disconnect()]),
)


def parse(parts, max_packet_size=1000, alike=0):
    """The packets in a stream given in parts, and the clause of the error that ended it, or None.

    After each message up to `alike` like it are read together.
    """
    parser = Parser(max_packet_size)
    found = []
    try:
        for part in parts:
            parser.feed(part)
            while (packet := parser.next_packet()) is not None:
                found.append(packet)
                if isinstance(packet, Publish):
                    payloads = parser.next_alike(alike)
                    assert len(payloads) <= alike
                    found += [Publish(packet.topic, payload) for payload in payloads]
                    assert all(type(payload) is bytes for payload in payloads)
    except ProtocolError as error:
        return found, error.clause
    return found, None


def sliced(data, cuts):
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(any_packet)
def test_a_packet_survives_encoding_and_decoding(packet):
    assert parse([packet.encode()]) == ([packet], None)


@given(st.lists(any_packet, max_size=8), st.lists(st.integers(0, 10_000), max_size=20))
def test_any_slicing_gives_the_same_packets(stream, cuts):
    data = b"".join(packet.encode() for packet in stream)
    assert parse(sliced(data, cuts)) == (stream, None)
    assert parse([data[at : at + 1] for at in range(len(data))]) == (stream, None)


@given(
    st.lists(
        st.builds(
            Publish,
            st.sampled_from(["a", "a/b", "é"]),
            st.binary(max_size=150),
            st.sampled_from([0, 0, 1]),
            packet_id=st.sampled_from([1, 258]),
        ),
        max_size=6,
    ),
    st.lists(
        st.tuples(st.integers(0, 10_000), st.sampled_from([0, 1, 2, 49, 50, 58, 127, 128, 255])), max_size=2
    ),
    st.sampled_from([4, 60, 129, 1000]),
)
@example([Publish("a", b"", 1, packet_id=1), Publish("a", b"", 1, packet_id=1)], [(13, 0)], 1000)
@example([Publish("a", b"x" * 130), Publish("a", b"x" * 130)], [(138, 0)], 1000)
@example([Publish("a", b""), Publish("a", bytes(100))], [], 60)
@example([Publish("a", b""), Publish("a", b"")], [(6, 1)], 60)
def test_a_message_to_the_same_topic_is_read_like_any_other(stream, damage, largest):
    data = bytearray(b"".join(packet.encode() for packet in stream))
    for at, byte in damage:
        if data:
            data[at % len(data)] = byte
    framer, found, clause = Framer(largest), [], None
    try:
        framer.feed(data)
        while (frame := framer.next_frame()) is not None:
            found.append(packets.decode(frame))
    except ProtocolError as error:
        clause = error.clause
    got = parse([bytes(data)], largest)
    assert got == (found, clause)
    messages = [packet for packet in got[0] if type(packet) is Publish]
    assert [one.plain() for one in messages] == [one.plain() for one in found if type(one) is Publish]
    assert all(type(one.payload) is bytes for one in messages)
    for most in (1, 2, 1000):
        assert parse([bytes(data)], largest, most) == (found, clause)
        assert parse(sliced(bytes(data), [at for at, _ in damage]), largest, most) == (found, clause)


@given(
    st.lists(any_packet, max_size=3),
    st.binary(max_size=60),
    st.lists(st.integers(0, 10_000), max_size=10),
)
def test_any_slicing_gives_the_same_error(stream, garbage, cuts):
    data = b"".join(packet.encode() for packet in stream) + garbage
    whole = parse([data])
    assert whole[0][: len(stream)] == stream
    assert parse(sliced(data, cuts)) == whole
    assert parse([data[at : at + 1] for at in range(len(data))]) == whole


@given(st.binary(max_size=400))
@example(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00")
@example(b"\x30\x05\x00\x01a\xff\xff")
def test_random_bytes_raise_nothing_but_the_protocol_error(data):
    parse([data])


@given(any_packet, st.data())
def test_a_damaged_packet_is_another_packet_or_a_protocol_error(packet, data):
    damaged = bytearray(packet.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    found, _ = parse([bytes(damaged)])
    for other in found:
        if not (isinstance(other, Connect) and other.level != 4):
            assert parse([other.encode()]) == ([other], None)


@given(any_packet)
def test_every_truncation_of_a_packet_waits_for_more_or_is_refused(packet):
    frame = packet.encode()
    for end in range(len(frame)):
        assert parse([frame[:end]])[0] == []


def test_a_size_over_the_limit_is_refused_at_the_header():
    """Before anything is kept for it. The limit is ours; the standard's own is 268,435,460 bytes."""
    fits, too_much = 1000 - 3, 1000 - 3 + 1
    assert parse([b"\x30" + bytes([fits & 127 | 128, fits >> 7])], 1000) == ([], None)
    assert parse([b"\x30" + bytes([too_much & 127 | 128, too_much >> 7])], 1000) == ([], "limit")


@pytest.mark.parametrize(
    ("length", "encoded"),
    [
        (0, b"\x00"),
        (127, b"\x7f"),
        (128, b"\x80\x01"),
        (16_383, b"\xff\x7f"),
        (16_384, b"\x80\x80\x01"),
        (2_097_151, b"\xff\xff\x7f"),
        (2_097_152, b"\x80\x80\x80\x01"),
    ],
)
def test_the_remaining_length_is_written_as_the_standard_shows(length, encoded):
    """Table 2.4"""
    name = b"\x00\x01a"
    if length >= len(name):
        frame = Publish("a", bytes(length - len(name))).encode()
        assert frame[1 : 1 + len(encoded)] == encoded
        assert len(frame) == 1 + len(encoded) + length
        assert parse([frame], packets.MAX_LENGTH)[0] == [Publish("a", bytes(length - len(name)))]
    else:
        assert Pingreq().encode()[1:] == encoded


def test_a_length_written_longer_than_needed_is_read_but_not_passed_on():
    """2.2.3 does not forbid it; what we send on is always of the shortest form."""
    (message,), _ = parse([b"\x30\x84\x00\x00\x01ax"])
    assert message == Publish("a", b"x")
    assert message.plain() == b"\x30\x04\x00\x01ax"


def test_a_plain_message_is_passed_on_as_the_very_bytes_received():
    frame = Publish("a", b"x").encode()
    (message,), _ = parse([frame])
    assert message.plain() == frame


@given(publishes())
def test_the_plain_form_is_the_message_at_qos_0(message):
    """[MQTT-3.3.1-9] [MQTT-3.3.1-2] [MQTT-2.3.1-5]"""
    (received,), _ = parse([message.encode()])
    assert parse([received.plain()]) == ([Publish(message.topic, message.payload)], None)


@pytest.mark.parametrize("first", [0x50, 0x62, 0x70, 0x00, 0xF0, 0x36, 0x3E, 0x38, 0x39, 0x80, 0x13, 0xC1])
def test_a_bad_first_byte_is_refused_without_waiting_for_more(first):
    """[MQTT-2.2.2-2] [MQTT-3.3.1-4] [MQTT-3.3.1-2]; 0x50, 0x62, 0x70 are those of QoS 2"""
    assert parse([bytes([first])])[1] is not None


@pytest.mark.parametrize(
    ("frame", "clause"),
    [
        (b"\x20\x02\x02\x00", "MQTT-2.2.2-1"),
        (b"\x20\x02\x00\x06", "3.2.2.3"),
        (b"\x20\x02\x01\x05", "MQTT-3.2.2-4"),
        (b"\x90\x03\x00\x01\x03", "MQTT-3.9.3-2"),
        (b"\x90\x02\x00\x01", "MQTT-3.9.3-2"),
    ],
)
def test_a_malformed_answer_of_a_server_is_refused_too(frame, clause):
    assert parse([frame]) == ([], clause)


@pytest.mark.parametrize(
    "packet",
    [Connect("x" * 65536), Publish("é" * 32768, b""), Connect("a", username="u", password=bytes(65536))],
)
def test_what_does_not_fit_a_field_is_not_encoded(packet):
    """[MQTT-4.7.3-3] and 1.5.3: 65,535 bytes"""
    with pytest.raises(ValueError, match=r"65,535"):
        packet.encode()


def test_a_large_packet_in_single_bytes_is_framed_once():
    framer = Framer()
    frame = Publish("a", bytes(50_000)).encode()
    for at in range(len(frame) - 1):
        framer.feed(frame[at : at + 1])
        assert framer.next_frame() is None
    framer.feed(frame[-1:])
    assert framer.next_frame() == frame
    assert framer.rest() == b""


def test_a_password_is_in_no_representation():
    assert "hunter2" not in repr(Connect("a", username="u", password=b"hunter2"))


def test_what_was_read_does_not_stay_in_memory_for_what_was_not():
    """A read of 64 KB whose last byte begins a packet must not be kept whole for it."""
    framer = Framer()
    framer.feed(Publish("a", bytes(1000)).encode() * 60 + b"\x30\x7f")
    while framer.next_frame() is not None:
        pass
    assert framer.waiting() == len(framer._data) == 2
    framer.clear()
    assert framer.waiting() == 0


def test_what_has_come_is_not_copied_anew_for_each_message_in_it(monkeypatch):
    copied = []

    def noted(data):
        copied.append(len(data))
        return memoryview(data)

    monkeypatch.setattr(framing, "memoryview", noted, raising=False)
    stream = b"".join(Publish("ab"[number % 2], b"x").encode() for number in range(1000))
    found, clause = parse([stream[:3], stream[3:-3], stream[-3:]], alike=10)
    assert len(found) == 1000 and clause is None
    assert sum(copied) < 3 * len(stream)
