"""What a connection may cost before it is a request: its head, its time, its number, and what answers it."""

import contextlib
import json
import socket
import ssl
import time
import uuid

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from host_sim.cloud.front import protocol
from host_sim.cloud.front.protocol import HEADERS, SLOWEST
from host_sim.cloud.front.seats import Seats
from host_sim.cloud.server import Cloud
from host_sim.cloud.settings import SettingsError, load
from tests.cloud.programs import PLAIN
from tests.cloud.waiting import WAIT, until

HEAD = 4096
EACH = 12
GET = b"GET /api/v1/version HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def cloud_settings():
    return {**PLAIN, "head_bytes": HEAD, "head_s": 1, "connections_per_address": EACH}


class Peer:
    """A socket to the cloud, and what came back on it."""

    def __init__(self, cloud, sent=b""):
        self.socket = socket.create_connection(("127.0.0.1", cloud.settings.port), WAIT)
        self.socket.sendall(sent)

    def send(self, data):
        self.socket.sendall(data)

    def rest(self):
        """Everything until the cloud closes."""
        found = b""
        while more := self.socket.recv(65536):
            found += more
        return found

    def answer(self):
        """The status and the error of the one answer that there is before the cloud closes."""
        head, _, body = self.rest().partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        told = json.loads(body)
        assert set(told) >= {"error", "message", "hint", "request_id"} and told["message"] and told["hint"]
        assert headers["x-request-id"] == told["request_id"] and uuid.UUID(told["request_id"])
        assert (headers["x-api-version"], headers["x-protocol-version"]) == ("1", "HxTP/3.0")
        assert headers["content-type"] == "application/json" and headers["connection"] == "close"
        assert int(headers["content-length"]) == len(body)
        return int(status.split(" ")[1]), told["error"]

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()


@pytest.fixture
def peer(cloud):
    peers = []

    def made(sent=b""):
        peers.append(Peer(cloud, sent))
        return peers[-1]

    yield made
    for one in peers:
        one.socket.close()
    until(lambda: not cloud.services.seats.open, "the connections to be gone")


@pytest.mark.parametrize(
    "sent",
    [
        b"this is no HTTP\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /api/v1/auth/csrf HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
    ids=["words", "path", "header", "tls", "chunk"],
)
def test_what_is_no_http_is_answered_in_the_shape_of_all_errors(peer, sent):
    # HX3-TRANS-16
    assert peer(sent).answer() == (400, "BAD_REQUEST")


def test_a_head_that_is_too_large_is_refused_however_it_comes(peer):
    lines = b"".join(b"X-%d: %s\r\n" % (number, b"v" * 100) for number in range(HEAD // 100))
    assert peer(GET + lines + b"\r\n").answer() == (431, "HEADERS_TOO_LARGE")
    assert peer(GET + b"X: " + b"v" * HEAD).answer() == (431, "HEADERS_TOO_LARGE")  # and no end
    assert peer(b"GET /" + b"x" * HEAD).answer() == (431, "HEADERS_TOO_LARGE")
    many = b"".join(b"X-%d:\r\n" % number for number in range(HEADERS))
    assert peer(GET + many + b"\r\n").answer() == (431, "HEADERS_TOO_LARGE")
    one = peer(GET + b"\r\n")
    assert one.socket.recv(65536).startswith(b"HTTP/1.1 200 ")
    one.send(GET + lines + b"\r\n")
    assert one.answer() == (431, "HEADERS_TOO_LARGE"), "on a connection that was good before"


def test_a_head_just_below_the_bound_is_served(peer):
    value = b"v" * (HEAD - len(GET) - 100)
    answered = peer(GET + b"X: " + value + b"\r\nConnection: close\r\n\r\n").rest()
    assert answered.startswith(b"HTTP/1.1 200 ")


def test_a_peer_that_sends_without_end_is_cut_off(peer, cloud):
    one = peer(GET)
    with pytest.raises(OSError):
        for _ in range(10000):  # 100 MB
            one.send(b"X: " + b"v" * 10000 + b"\r\n")
    until(lambda: not cloud.services.seats.open, "its connection to end")


def test_a_head_that_does_not_end_in_time_is_refused_and_silence_ended(peer):
    begun, silent, blank = peer(GET), peer(), peer(b"\r\n")
    assert begun.answer() == (408, "REQUEST_TIMEOUT")
    assert silent.rest() == b"", "nothing was asked"
    assert blank.answer() == (408, "REQUEST_TIMEOUT")


def test_a_head_that_drips_has_the_same_time_as_any_other(peer):
    dripping = peer(GET)
    with pytest.raises(OSError):
        while True:
            dripping.send(b"X: y\r\n")
            time.sleep(0.05)


def test_a_body_that_stops_or_drips_is_refused(peer):
    post = b"POST /api/v1/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n"
    unread = peer(post % b"nothing/here")
    slow = peer(post % b"auth/clients" + b"x" * (SLOWEST - 1))
    assert slow.answer() == (408, "REQUEST_TIMEOUT")
    # What has its answer before its body gets no other, and is not waited for either.
    told = unread.rest()
    assert told.startswith(b"HTTP/1.1 404 ") and told.count(b"HTTP/1.1") == 1


def test_a_body_that_comes_steadily_may_take_longer_than_a_head(peer):
    post = b"POST /api/v1/auth/clients HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    parts = 15
    steady = peer(post % (parts * SLOWEST))
    for _ in range(parts):
        time.sleep(0.1)
        steady.send(b"x" * SLOWEST)
    assert steady.rest().startswith(b"HTTP/1.1 401 ")


def test_chunks_that_hold_nothing_do_not_go_on_for_ever(peer):
    post = b"POST /api/v1/auth/cli-form HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    one = peer(post)
    chunk = b"1;" + b"x" * 10000 + b"\r\nx\r\n"
    with pytest.raises(OSError):
        for _ in range(10000):
            one.send(chunk)


def test_an_answer_that_is_under_way_is_not_written_into(peer):
    # The first is answered, the rubbish behind it is not.
    told = peer(GET + b"\r\n" + b"rubbish\r\n\r\n").rest()
    assert told.startswith(b"HTTP/1.1 200 ") and told.count(b"HTTP/1.1") == 1


def test_who_does_not_read_what_it_asked_for_is_cut_off(cloud, peer, monkeypatch):
    monkeypatch.setattr(protocol, "UNREAD_S", 0.3)
    ask = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    reader, silent = peer(), peer(40 * ask)  # more than the system keeps for it
    until(lambda: cloud.services.seats.open == 1, "the one that does not read to be cut off")
    reader.send(ask)
    assert reader.socket.recv(65536).startswith(b"HTTP/1.1 200 ")
    with pytest.raises(OSError):
        while silent.socket.recv(65536):
            silent.send(ask)


def test_an_address_has_so_many_connections_and_gets_one_again_when_one_ends(cloud, peer):
    held, seats = [peer(GET + b"\r\n") for _ in range(EACH)], cloud.services.seats
    for one in held:
        assert one.socket.recv(65536).startswith(b"HTTP/1.1 200 ")  # and stays
    until(lambda: seats.open == EACH, "all to be let in")
    before = seats.turned_away["address"]
    with pytest.raises(OSError):
        assert peer(GET + b"\r\n").rest() == b""
        raise ConnectionError
    assert seats.turned_away["address"] == before + 1
    held[0].socket.close()
    until(lambda: seats.open == EACH - 1, "one to be gone")
    assert peer(GET + b"Connection: close\r\n\r\n").rest().startswith(b"HTTP/1.1 200 ")


def test_a_request_for_the_websocket_that_is_none_is_told_so(peer):
    # HX3-TRANS-16
    ask = b"GET /ws/state HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    version, key = b"Sec-WebSocket-Version: 13\r\n", b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
    assert peer(ask + version + b"\r\n").answer() == (400, "BAD_REQUEST")
    assert peer(ask + version + b"Sec-WebSocket-Key: short\r\n\r\n").answer() == (400, "BAD_REQUEST")
    assert peer(ask + b"Sec-WebSocket-Version: 8\r\n" + key + b"\r\n").answer() == (400, "BAD_REQUEST")
    elsewhere = ask.replace(b"/ws/state", b"/api/v1/devices")
    assert peer(elsewhere + version + key + b"\r\n").answer() == (404, "NOT_FOUND")


def test_a_websocket_keeps_its_seat_until_it_ends(cloud, peer):
    begun = peer(
        GET[:5] + b"ws/state HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    )
    told = begun.socket.recv(65536)
    assert told.startswith(b"HTTP/1.1 101 ")
    assert cloud.services.seats.open == 1
    begun.socket.close()
    until(lambda: not cloud.services.seats.open, "its seat to be free")


def test_prometheus_counts_what_never_became_a_request(cloud, peer, api):
    peer(b"rubbish\r\n\r\n").answer()
    numbers = {
        (family.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(api(None).get("/metrics").text)
        for sample in family.samples
    }
    assert numbers[("hxtp_unread_requests", "BAD_REQUEST")] >= 1
    assert numbers[("hxtp_connections",)] >= 1
    api(None).close()


def test_seats_in_all_are_bounded_and_an_ipv6_network_is_one_address(caplog):
    seats = Seats(most=3, each=2)
    first, second = seats.enter("2001:db8::1"), seats.enter("2001:db8::2")
    assert first and second and seats.enter("2001:db8::3") is None
    assert seats.enter("192.0.2.1") and seats.enter("192.0.2.2") is None
    assert seats.turned_away == {"address": 1, "all": 1}
    told = [record.getMessage() for record in caplog.records]
    assert told == ["a connection from 2001:db8::/64 was refused: connections_per_address is 2"], (
        "and no more"
    )
    first()
    first()  # a second time changes nothing
    assert seats.open == 2 and seats.enter("2001:db8::4")
    unbounded = Seats()
    assert all(unbounded.enter("192.0.2.1") for _ in range(100))


@pytest.mark.parametrize("name, value", [("head_bytes", 100), ("head_s", 0), ("connections", -1)])
def test_a_bound_that_cannot_be_meant_is_refused(name, value):
    with pytest.raises(SettingsError, match=name):
        load({name: value}, environment={})


def test_a_tls_handshake_that_does_not_come_is_ended_and_was_counted(tmp_path):
    given = {"data": str(tmp_path), "port": 0, "broker_port": 0, "log_level": "error", "head_s": 2}
    with Cloud(load({**given, "connections_per_address": 3}, environment={})) as cloud:
        with Peer(cloud) as silent, Peer(cloud, b"\x16\x03\x01") as begun, Peer(cloud) as third:
            seats = cloud.services.seats
            until(lambda: seats.open == 3, "all to be counted")
            with Peer(cloud) as fourth, pytest.raises(OSError):
                assert fourth.rest() == b""
                raise ConnectionError
            for one in (silent, begun, third):
                with contextlib.suppress(ConnectionError):  # as good an end
                    assert one.rest() == b""
            until(lambda: not seats.open, "their seats to be free")
        verify = ssl.create_default_context(cafile=str(cloud.pki.ca))
        with httpx.Client(base_url=cloud.settings.base_url(), verify=verify) as client:
            assert client.get("/version").status_code == 200
            assert seats.open == 1
        plain = Peer(cloud, GET + b"\r\n")  # what is no TLS has no answer
        with contextlib.suppress(ConnectionError):
            assert b"HTTP" not in plain.rest()
        until(lambda: not seats.open, "that to be gone")
        with Peer(cloud):
            until(lambda: seats.open == 1, "one more")
            began = time.monotonic()
    assert time.monotonic() - began < 10, "a handshake that waits does not hold up the end"
