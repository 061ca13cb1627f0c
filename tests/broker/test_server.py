"""The server: the core over TCP and TLS, slow readers and half-open peers survived, outages on demand."""

import asyncio
import contextlib
import socket
import ssl
import threading
import time

import pytest

from host_sim.broker.authority import User, UserAuthority
from host_sim.broker.core import Settings
from host_sim.broker.packets import Connack, Connect, Pingreq, Pingresp, Puback, Publish
from host_sim.broker.server import BrokerServer, ThreadedBroker
from tests.broker.wire import TIMEOUT, Wire


@pytest.fixture(params=["tcp", "tls"])
def transport(request, certificates):
    """(what the broker is given, what its clients are given)"""
    if request.param == "tcp":
        return None, None
    return certificates.server_context(), certificates.client_context()


def eventually(check):
    """Wait until check() is true; it says so itself when the time is over."""
    end = time.monotonic() + TIMEOUT
    while not check():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_messages_pass_over_tcp_and_tls(transport):
    server, client = transport
    with ThreadedBroker(tls=server) as broker:
        reader = Wire(broker.port, client).connect("reader")
        assert reader.subscribe("t/#") == [1]
        writer = Wire(broker.port, client).connect("writer")
        writer.publish("t/x", bytes(100_000))
        assert [len(message.payload) for message in reader.messages()] == [100_000]
        assert broker.counts.connected == 2


def test_a_thousand_packets_in_one_write_are_all_answered_in_order(transport):
    server, client = transport
    with ThreadedBroker(tls=server) as broker:
        wire = Wire(broker.port, client).connect("a")
        wire.send(*(Publish("t", b"x", 1, packet_id=number) for number in range(1, 1001)))
        assert [wire.receive() for _ in range(1000)] == [Puback(number) for number in range(1, 1001)]


def test_every_byte_by_itself_is_the_same(broker):
    wire = Wire(broker.port)
    wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in Connect("a").encode() + Pingreq().encode():
        wire.send(bytes([byte]))
    assert wire.receive() == Connack(0)
    assert wire.receive() == Pingresp()


def test_the_keep_alive_is_kept_in_real_time(broker):
    """[MQTT-3.1.2-24]: not before one and a half times; how much later is the machine's affair."""
    start = time.monotonic()
    wire = Wire(broker.port).connect("sleeper", keepalive=1)
    assert wire.is_closed()
    assert time.monotonic() - start >= 1.5
    assert broker.counts.timeouts == 1


def test_half_open_connections_are_closed(transport):
    """No CONNECT, or with TLS not even a handshake."""
    server, client = transport
    with ThreadedBroker(tls=server, settings=Settings(connect_timeout_ms=300)) as broker:
        with socket.create_connection(("127.0.0.1", broker.port), timeout=TIMEOUT) as silent:
            assert silent.recv(100) == b""
        assert Wire(broker.port, client).is_closed()
        assert broker.counts.timeouts >= 1


def test_half_open_connections_hold_a_place_from_the_first_moment(transport):
    """With TLS before a single byte of the handshake: the oldest makes room for who speaks."""
    server, client = transport
    with ThreadedBroker(tls=server, settings=Settings(max_half_open_per_address=3)) as broker:
        silent = [socket.create_connection(("127.0.0.1", broker.port), timeout=TIMEOUT) for _ in range(6)]
        eventually(lambda: broker.counts.evicted == 3)
        for each in silent[:3]:
            with contextlib.suppress(ConnectionResetError):  # in the middle of a handshake
                assert each.recv(1) == b""
        assert Wire(broker.port, client).connect("quick").messages() == []
        eventually(lambda: broker.counts.evicted == 4)
        for each in silent:
            each.close()
        eventually(lambda: len(broker.server.peers) == 1)
        assert broker.call(lambda: len(broker.server.broker._half_open)) == 0


def test_connections_over_the_limit_are_closed_at_once(transport):
    server, client = transport
    with ThreadedBroker(tls=server, settings=Settings(max_connections=2)) as broker:
        first, _ = (Wire(broker.port, client).connect(name) for name in "ab")
        assert not reaches(broker.port, client)
        first.leave()
        eventually(lambda: reaches(broker.port, client))


def test_what_is_no_tls_does_not_disturb_those_who_speak_it(certificates):
    with ThreadedBroker(tls=certificates.server_context()) as broker:
        good = Wire(broker.port, certificates.client_context()).connect("good")
        for noise in (b"\x10\x00", Connect("plain").encode(), b"GET / HTTP/1.1\r\n\r\n"):
            bad = Wire(broker.port)
            bad.send(noise)
            bad.close()
        with pytest.raises(ssl.SSLError):
            Wire(broker.port, ssl.create_default_context())  # does not know the CA and goes away
        assert good.messages() == []
        assert broker.counts.connected == 1


def test_a_reader_that_stops_reading_holds_up_nobody_and_costs_no_more_than_the_limit():
    limit = 500_000
    with ThreadedBroker(settings=Settings(max_output_bytes=limit)) as broker:
        slow = Wire(broker.port).connect("slow")
        slow.subscribe("t", qos=0)
        quick = Wire(broker.port).connect("quick")
        quick.subscribe("t", qos=0)
        writer = Wire(broker.port).connect("writer")
        sent = 0
        while broker.counts.dropped_slow == 0:  # the kernel's buffers fill first
            writer.publish("t", bytes(50_000))
            sent += 1
            assert len(quick.messages()) == 1
            assert sent < 2000
        pending = broker.call(lambda: broker.server.broker.sessions["slow"].connection.pending)
        assert pending <= limit + 60_000
        assert 0 < len(slow.messages()) < sent
        writer.publish("t", b"caught up")
        assert [message.payload for message in slow.messages()] == [b"caught up"]


def test_who_asks_and_never_reads_is_cut_off():
    with ThreadedBroker(settings=Settings(max_output_bytes=50_000)) as broker:
        rude = Wire(broker.port).connect("rude")
        rude.subscribe("t", qos=0)
        writer = Wire(broker.port).connect("writer")
        while broker.counts.dropped_slow == 0:  # the kernel's buffers fill first
            writer.publish("t", bytes(20_000))
        for _ in range(6):
            rude.send(Pingreq().encode() * 10_000)
        eventually(lambda: "rude" not in broker.server.broker.sessions)
        assert writer.messages() == []


def test_many_connections_at_once(broker):
    wires = [Wire(broker.port) for _ in range(200)]
    for number, wire in enumerate(wires):
        wire.send(Connect(f"c{number}"))
    assert all(wire.receive() == Connack(0) for wire in wires)
    for wire in wires:
        wire.close()
    eventually(lambda: not broker.server.broker.sessions)


# -- outages --


def test_a_cut_resets_connections_and_refuses_new_ones_until_restored(transport):
    server, client = transport
    seen = []
    with ThreadedBroker(tls=server, on_messages=lambda *told: seen.append(told)) as broker:
        wire = Wire(broker.port, client).connect("a", will=Publish("w", b"gone"))
        port = broker.port
        broker.cut()
        assert wire.is_closed()
        eventually(lambda: seen == [("w", [b"gone"], "a")])
        for _ in range(3):
            assert not reaches(port, client)
        assert broker.counts.connected == 1
        broker.restore()
        assert broker.port == port
        assert reaches(port, client)


def reaches(port, client):
    """Whether a CONNECT is answered."""
    try:
        return Wire(port, client).send(Connect("a")).receive() == Connack(0)
    except OSError:  # with TLS, the handshake fails
        return False


def test_a_silent_cut_leaves_connections_open_and_unanswered(transport):
    server, client = transport
    with ThreadedBroker(tls=server) as broker:
        wire = Wire(broker.port, client).connect("a", keepalive=1)
        other = Wire(broker.port, client).connect("b")
        broker.cut(silent=True)
        for each in (wire, other):
            each.socket.settimeout(0.2)
            each.send(Pingreq())
            with pytest.raises(TimeoutError):
                each.receive()
        newcomer = socket.create_connection(("127.0.0.1", broker.port), timeout=0.2)
        newcomer.sendall(Connect("c").encode())
        with pytest.raises(TimeoutError):
            newcomer.recv(1)
        eventually(lambda: "a" not in broker.server.broker.sessions)  # the broker's own timeout still runs
        assert "b" in broker.server.broker.sessions
        broker.restore()
        for each in (wire, other):
            each.socket.settimeout(TIMEOUT)
            assert each.is_closed()
        newcomer.settimeout(TIMEOUT)
        with pytest.raises(ConnectionResetError):
            newcomer.recv(1)
        newcomer.close()
        assert reaches(broker.port, client)


def test_a_cut_twice_and_a_restore_without_a_cut_do_no_harm(broker):
    broker.restore()
    broker.cut()
    broker.cut(silent=True)
    broker.restore()
    broker.restore()
    assert reaches(broker.port, None)


# -- its owner --


def test_the_owner_sees_publishes_and_cuts_off():
    seen, events = [], []
    with ThreadedBroker(
        on_messages=lambda *told: seen.append(told), on_event=lambda now, *event: events.append(event)
    ) as broker:
        wire = Wire(broker.port).connect("a")
        wire.subscribe("#", qos=0)
        wire.publish("t", b"x", qos=0)
        assert wire.receive() == Publish("t", b"x")
        broker.publish("owner", b"y", retain=True)
        assert wire.receive() == Publish("owner", b"y")
        assert broker.disconnect("a")
        assert wire.is_closed()
        assert not broker.disconnect("a")
    assert seen == [("t", [b"x"], "a"), ("owner", [b"y"], "")]
    assert [event[0] for event in events] == ["connected", "subscribed", "closed"]


def test_its_clock_is_unix_time_for_the_authority():
    asked = []

    class Curious(UserAuthority):
        def authenticate(self, client_id, username, password, now):
            asked.append(now)
            return super().authenticate(client_id, username, password, now)

    with ThreadedBroker(authority=Curious({"u": User("p")})) as broker:
        assert Wire(broker.port).send(Connect("a", username="u", password=b"p")).receive() == Connack(0)
        assert Wire(broker.port).send(Connect("a", username="u", password=b"q")).receive() == Connack(5)
    assert all(abs(now / 1000 - time.time()) < 60 for now in asked)


def test_an_address_in_use_is_an_error_at_the_start(broker):
    second = ThreadedBroker(port=broker.port)
    with pytest.raises(OSError):
        second.start()
    assert not second._thread.is_alive()


def test_stopping_closes_connections_frees_the_port_and_ends_the_thread():
    broker = ThreadedBroker().start()
    wire = Wire(broker.port).connect("a")
    idle = Wire(broker.port)
    broker.stop()
    assert wire.is_closed()
    assert idle.is_closed()
    assert not broker._thread.is_alive()
    broker.stop()
    with ThreadedBroker(port=broker.port) as again:
        assert reaches(again.port, None)


def test_stopping_in_a_silent_outage_does_not_hang():
    broker = ThreadedBroker().start()
    Wire(broker.port).connect("a")
    broker.cut(silent=True)
    Wire(broker.port)
    broker.stop()
    assert not broker._thread.is_alive()


def test_it_runs_in_the_callers_event_loop_too():
    async def conversation():
        async with BrokerServer() as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(Connect("a").encode())
            answer = await asyncio.wait_for(reader.readexactly(4), TIMEOUT)
            writer.close()
            return answer

    assert asyncio.run(conversation()) == Connack(0).encode()


def test_a_broker_that_stopped_leaves_no_thread():
    with ThreadedBroker():
        pass
    assert not [thread for thread in threading.enumerate() if thread.name == "broker"]
