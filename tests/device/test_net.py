"""Opening a connection in steps, over real sockets: nothing waits, and nothing stays open."""

import socket
import time

import pytest

from hxtp_device import net


def run(steps, seconds=10):
    """The socket that comes out in the end; each step must return at once."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sock = next(steps)
        if sock is not None:
            return sock
        time.sleep(0.001)
    raise AssertionError("no connection")


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """Each test begins without an address from another."""
    monkeypatch.setattr(net, "_known", [None, None, 0])


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_connection_comes_up_and_does_not_block(listener):
    sock = run(net.connect("127.0.0.1", listener.getsockname()[1], None))
    with sock, pytest.raises(BlockingIOError):
        sock.recv(1)


def test_names_are_looked_up(listener):
    run(net.connect("localhost", listener.getsockname()[1], None)).close()


def test_a_refused_connection_raises(listener):
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(OSError):
        run(net.connect("127.0.0.1", port, None))


def test_a_name_that_does_not_exist_raises():
    with pytest.raises(OSError):
        run(net.connect("no-such-name.invalid", 1, None))


def test_an_address_is_kept_for_eight_attempts(listener, monkeypatch):
    asked = []

    def look_up(host, port, *hints):
        asked.append(host)
        return real(host, port, *hints)

    real = socket.getaddrinfo
    monkeypatch.setattr(net.socket, "getaddrinfo", look_up)
    port = listener.getsockname()[1]
    for attempt in range(1, 17):
        run(net.connect("localhost", port, None)).close()
        assert len(asked) == (attempt + 7) // 8


def test_a_failed_look_up_is_not_kept(listener, monkeypatch):
    def fail(*_):
        raise OSError(-202)

    port = listener.getsockname()[1]
    with monkeypatch.context() as patch:
        patch.setattr(net.socket, "getaddrinfo", fail)
        for _ in range(3):
            with pytest.raises(OSError, match="-202"):
                run(net.connect("localhost", port, None))
    run(net.connect("localhost", port, None)).close()


def test_another_target_is_looked_up_at_once(listener):
    run(net.connect("localhost", listener.getsockname()[1], None)).close()
    with socket.create_server(("127.0.0.1", 0)) as other:
        sock = run(net.connect("localhost", other.getsockname()[1], None))
        with sock:
            assert sock.getpeername()[1] == other.getsockname()[1]


class Recorded(socket.socket):
    made: list = []  # noqa: RUF012

    def __init__(self, *args):
        super().__init__(*args)
        Recorded.made.append(self)


class Never:
    """A poll object for which nothing ever happens."""

    def register(self, sock, mask):
        pass

    def poll(self, timeout):
        return []


def test_an_attempt_that_is_given_up_closes_its_socket(listener, monkeypatch):
    monkeypatch.setattr(net.socket, "socket", Recorded)
    monkeypatch.setattr(net.select, "poll", Never)
    steps = net.connect("127.0.0.1", listener.getsockname()[1], None)
    for _ in range(5):
        assert next(steps) is None
    steps.close()
    assert Recorded.made[-1].fileno() == -1


def test_an_attempt_that_fails_closes_its_socket(listener, monkeypatch):
    monkeypatch.setattr(net.socket, "socket", Recorded)
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(OSError):
        run(net.connect("127.0.0.1", port, None))
    assert Recorded.made[-1].fileno() == -1


def test_a_failing_tls_context_closes_the_socket(listener, monkeypatch):
    class Broken:
        def wrap_socket(self, *_, **__):
            raise ValueError("no")

    monkeypatch.setattr(net.socket, "socket", Recorded)
    with pytest.raises(ValueError):
        run(net.connect("127.0.0.1", listener.getsockname()[1], Broken()))
    assert Recorded.made[-1].fileno() == -1


def test_tls_is_told_the_name_to_verify_and_to_put_the_handshake_off(listener):
    asked = []

    class Context:
        def wrap_socket(self, sock, **options):
            asked.append(options)
            return sock

    run(net.connect("localhost", listener.getsockname()[1], Context())).close()
    assert asked == [{"server_hostname": "localhost", "do_handshake_on_connect": False}]
