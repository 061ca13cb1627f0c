"""umqtt.simple as the firmware finds it: the interface of the stock one, and its traps, on both runtimes."""

import textwrap

import pytest

from host_sim.broker.server import ThreadedBroker
from tests.board.peers import Peer, exactly
from tests.board.running import finish, said
from tests.board.test_network import JOIN

CONNACK = b"\x20\x02\x00\x00"


@pytest.fixture
def peer():
    peer = Peer()
    yield peer
    peer.close()


def client(port, rest, **options):
    words = "".join(f", {name}={value!r}" for name, value in options.items())
    made = f"c = MQTTClient('me', '127.0.0.1', {port}{words})\n"
    return JOIN + "from umqtt.simple import MQTTClient, MQTTException\n" + made + textwrap.dedent(rest)


def packet(connection):
    """(first byte, body) of the next packet that the board sends."""
    first = exactly(connection, 1)[0]
    length = shift = 0
    while True:
        octet = exactly(connection, 1)[0]
        length |= (octet & 127) << shift
        shift += 7
        if octet < 128:
            return first, exactly(connection, length)


def test_messages_go_both_ways_through_a_broker(make):
    with ThreadedBroker() as broker:
        board = make(
            client(
                broker.port,
                """
got = []
c.set_callback(lambda topic, msg: got.append((topic, msg)))
c.set_last_will(b"me/will", b"gone", retain=True, qos=1)
print(c.connect(), c.port, c.keepalive, c.user, c.pswd, c.lw_topic, c.pid)
c.subscribe(b"me/#", qos=1)
c.publish(b"me/a", b"zero")
c.publish("me/b", "one", qos=1)
c.publish(b"me/c", b"x" * 20000, qos=1)
while len(got) < 3:
    c.wait_msg()
print(got[0], got[1], got[2][0], len(got[2][1]), c.pid)
c.ping()
print(c.wait_msg(), c.check_msg())
c.disconnect()
""",
                user="name",
                password="word",
                keepalive=30,
            )
        )
        finish(board)
    assert said(board) == [
        f"0 {broker.port} 30 name word b'me/will' 0",
        "(b'me/a', b'zero') (b'me/b', b'one') b'me/c' 20000 3",
        "None None",
    ]


def test_connect_sends_what_mqtt_311_asks_for(make, peer):
    board = make(
        client(
            peer.port,
            "c.set_last_will('w', b'm', True, 1)\nprint(c.connect(timeout=10))\nc.disconnect()",
            user="u",
            password="p",
            keepalive=300,
        )
    )
    connection = peer.accept()
    body = b"\x00\x04MQTT\x04\xee\x01\x2c" + b"\x00\x02me" + b"\x00\x01w\x00\x01m" + b"\x00\x01u\x00\x01p"
    assert packet(connection) == (0x10, body)
    connection.sendall(b"\x20\x02\x01\x00")
    assert packet(connection) == (0xE0, b"")
    finish(board)
    assert said(board) == ["1"]


def test_a_refusal_is_an_exception_with_its_code(make, peer):
    board = make(
        client(peer.port, "try:\n    c.connect()\nexcept MQTTException as error:\n    print(error.args)")
    )
    connection = peer.accept()
    packet(connection)
    connection.sendall(b"\x20\x02\x00\x05")
    finish(board)
    assert said(board) == ["(5,)"]


def test_packet_ids_never_wrap_as_in_stock(make, peer):
    """Id 65,536 goes out as 0 and its PUBACK never matches: the hang that firmware has to avoid."""
    board = make(
        client(
            peer.port,
            """
c.set_callback(print)
c.connect()
c.pid = 65534
c.publish(b"t", b"m", qos=1)
print("acknowledged", c.pid)
c.sock.settimeout(0.3)
c.publish(b"t", b"m", qos=1)
print("acknowledged", c.pid)
""",
        )
    )
    connection = peer.accept()
    packet(connection)
    connection.sendall(CONNACK)
    assert packet(connection) == (0x32, b"\x00\x01t\xff\xffm")
    connection.sendall(b"\x40\x02\xff\xff")
    assert packet(connection) == (0x32, b"\x00\x01t\x00\x00m")
    connection.sendall(b"\x40\x02\x00\x00")
    board.wait_for_log("acknowledged 65535")
    connection.close()
    board.wait_for(lambda event: event.ev == "crash")
    assert "acknowledged 65536" not in board.log


def test_waiting_turns_the_socket_blocking_as_in_stock(make, peer):
    board = make(
        client(
            peer.port,
            """
c.set_callback(print)
c.connect(timeout=0.2)
print(c.check_msg())
try:
    c.sock.settimeout(0.2)
    c.wait_msg()
except OSError as error:
    print(error.args[0] in (110, 116))
print(c.check_msg())
print("blocking")
c.sock.read(1)
print("read")
""",
        )
    )
    connection = peer.accept()
    packet(connection)
    connection.sendall(CONNACK)
    board.wait_for_log("blocking")
    connection.sendall(b"x")
    finish(board)
    assert said(board) == ["None", "True", "None", "blocking", "read"]


def test_the_end_of_the_stream_is_an_error(make, peer):
    board = make(
        client(
            peer.port,
            """
            c.set_callback(print)
            c.connect()
            try:
                c.wait_msg()
            except OSError as error:
                print(error.args)
            """,
        )
    )
    connection = peer.accept()
    packet(connection)
    connection.sendall(CONNACK)
    connection.close()
    finish(board)
    assert said(board) == ["(-1,)"]


def test_a_refused_subscription_is_an_exception(make, peer):
    board = make(
        client(
            peer.port,
            """
            c.set_callback(print)
            c.connect()
            try:
                c.subscribe(b"a/b")
            except MQTTException as error:
                print(error.args)
            """,
        )
    )
    connection = peer.accept()
    packet(connection)
    connection.sendall(CONNACK)
    assert packet(connection) == (0x82, b"\x00\x01\x00\x03a/b\x00")
    connection.sendall(b"\x90\x03\x00\x01\x80")
    finish(board)
    assert said(board) == ["(128,)"]


def test_long_packets_have_long_lengths_and_a_subclass_may_use_the_helpers(make, peer):
    board = make(
        JOIN
        + f"""
from umqtt.simple import MQTTClient
class Mine(MQTTClient):
    def raw(self):
        self.sock.write(b"\\x30")
        self.sock.write(bytes([6]))
        self._send_str(b"tt")
        self.sock.write(b"mm")
        return self.sock.read(1), self._recv_len()
c = Mine(b"me", "127.0.0.1", {peer.port})
c.connect()
c.publish(b"t", bytes(300))
print(c.raw())
"""
    )
    connection = peer.accept()
    packet(connection)
    connection.sendall(CONNACK)
    assert packet(connection) == (0x30, b"\x00\x01t" + bytes(300))
    assert packet(connection) == (0x30, b"\x00\x02ttmm")
    connection.sendall(b"\x30\x80\x80\x01")
    finish(board)
    assert said(board) == ["(b'0', 16384)"]
