"""TLS from the board: a pinned CA, the name, and certificate dates by the *board's* clock.

Debian's unix port of MicroPython does check dates, as an ESP32's mbedTLS does, but by the host's clock; so
does OpenSSL under CPython. The stand-ins therefore check the dates a second time, by the board's clock. What
stays untrue to a real board: a certificate outside of its dates by the *host's* clock never verifies,
whatever the board believes; and with a handshake that was put off, the error has mbedTLS's general number
instead of the specific one.
"""

import pytest

from tests.board.peers import Authority, TLSGreeter
from tests.board.running import finish, said
from tests.board.test_network import JOIN

NOW = "ntptime.settime()"
SPENT = "RTC().datetime((2100, 1, 1, 0, 0, 0, 0, 0))"
CONNECT = """
import ntptime, socket, ssl
from machine import RTC
%(clock)s
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.verify_mode = ssl.%(mode)s
if %(ca)r:
    with open(%(ca)r, "rb") as file:
        context.load_verify_locations(cadata=file.read())
sock = socket.socket()
sock.connect(socket.getaddrinfo("localhost", %(port)d)[0][-1])
try:
    tls = context.wrap_socket(sock, server_hostname=%(host)r)
    print(tls.readline())
    tls.close()
except ValueError as error:
    print("refused:", error)
    sock.close()
"""


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def connect(make, authority, tmp_path):
    """connect(clock=…, …) is what the board said when it connected to a server with a certificate by
    `authority`."""
    greeters = []

    def connect(clock=NOW, mode="CERT_REQUIRED", ca="ca.pem", host="localhost", days=(-30, 30), by=authority):
        greeter = TLSGreeter(by.context(tmp_path, days=days))
        greeters.append(greeter)
        program = JOIN + CONNECT % {
            "clock": clock,
            "mode": mode,
            "ca": ca,
            "host": host,
            "port": greeter.port,
        }
        files = {"ca.pem": authority.pem, "ca.der": authority.der}
        board = make(program, files=files, folder=f"flash{len(greeters)}")
        finish(board)
        return " ".join(said(board))

    yield connect
    for greeter in greeters:
        greeter.close()


def test_a_server_under_the_pinned_ca_is_taken(connect):
    assert connect() == r"b'hello\n'"
    assert connect(ca="ca.der") == r"b'hello\n'"
    assert connect(host="127.0.0.1") == r"b'hello\n'"


def test_a_server_under_another_ca_is_refused(connect):
    assert connect(by=Authority("other CA")).startswith("refused:")


def test_a_server_of_another_name_is_refused(connect):
    assert connect(host="broker.test").startswith("refused:")


def test_an_expired_certificate_is_refused(connect):
    assert connect(days=(-10, -1)).startswith("refused:")


def test_with_the_clock_at_2000_nothing_is_valid_yet(connect):
    answer = connect(clock="")
    assert answer.startswith("refused:") and "starts in the future" in answer


def test_with_the_clock_far_ahead_everything_has_expired(connect):
    answer = connect(clock=SPENT)
    assert answer.startswith("refused:") and "has expired" in answer


def test_without_verification_the_clock_does_not_matter(connect):
    assert connect(clock="", mode="CERT_NONE", ca="") == r"b'hello\n'"


def test_a_required_certificate_needs_a_name_to_check(connect):
    assert connect(host=None).startswith("refused:")


def deferred(port, clock):
    """How firmware connects that never waits: no blocking call, the handshake made by reads."""
    return (
        JOIN
        + f"""
import ntptime, select, socket, ssl
{clock}
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.verify_mode = ssl.CERT_REQUIRED
with open("ca.pem", "rb") as file:
    context.load_verify_locations(cadata=file.read())
sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
sock.setblocking(False)
try:
    sock.connect(socket.getaddrinfo("localhost", {port}, socket.AF_INET, socket.SOCK_STREAM)[0][-1])
except OSError as error:
    print(error.errno in (115, 119))
poll = select.poll()
poll.register(sock, select.POLLOUT)
while not poll.poll(0):
    time.sleep_ms(1)
tls = context.wrap_socket(sock, server_hostname="localhost", do_handshake_on_connect=False)
tls.setblocking(False)
buffer = bytearray(6)
view = memoryview(buffer)
waits = 0
try:
    while len(view):
        count = tls.readinto(view)
        if count is None:
            waits += 1
            time.sleep_ms(1)
        else:
            view = view[count:]
    print(bytes(buffer), waits > 0, tls.write(b"x"), tls.write(memoryview(b"y")))
except OSError as error:
    print("refused")
    tls.close()
"""
    )


def test_a_handshake_can_be_made_without_ever_waiting(make, authority, tmp_path):
    greeter = TLSGreeter(authority.context(tmp_path))
    try:
        board = make(deferred(greeter.port, NOW), files={"ca.pem": authority.pem}, folder="now")
        finish(board)
        assert said(board)[-1] == r"b'hello\n' True 1 1"
        board = make(deferred(greeter.port, ""), files={"ca.pem": authority.pem}, folder="then")
        finish(board)
        assert said(board)[-1] == "refused"
    finally:
        greeter.close()


def test_requests_over_https_verifies_nothing_as_stock(make, authority, tmp_path):
    greeter = TLSGreeter(authority.context(tmp_path), b"HTTP/1.0 200 OK\r\n\r\nunverified", after=b"\r\n\r\n")
    board = make(
        JOIN
        + f"import requests\nanswer = requests.get('https://localhost:{greeter.port}/')\nprint(answer.text)"
    )
    finish(board)
    greeter.close()
    assert said(board) == ["unverified"]


def test_umqtt_takes_a_context(make, authority, tmp_path):
    from host_sim.broker.server import ThreadedBroker

    with ThreadedBroker(tls=authority.context(tmp_path)) as broker:
        board = make(
            JOIN
            + f"""
import ntptime, ssl
from umqtt.simple import MQTTClient
ntptime.settime()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.verify_mode = ssl.CERT_REQUIRED
context.load_verify_locations(cadata=open("ca.pem", "rb").read())
c = MQTTClient("me", "localhost", {broker.port}, ssl=context, keepalive=60)
got = []
c.set_callback(lambda topic, msg: got.append(msg))
c.connect()
c.subscribe(b"me/#")
c.publish(b"me/a", b"x" * 3000, qos=1)
while not got:
    c.check_msg()
    time.sleep_ms(1)
print(len(got[0]))
c.disconnect()
""",
            files={"ca.pem": authority.pem},
        )
        finish(board)
    assert said(board) == ["3000"]


def test_the_dates_of_a_certificate_are_read_from_its_der(authority):
    import datetime

    import _x509
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(authority.der)
    epoch = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
    expected = tuple(
        int((moment - epoch).total_seconds())
        for moment in (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    )
    assert _x509.validity(authority.der) == expected
    far = Authority(days=(-30, 365 * 40))  # beyond 2050 dates have another form
    assert _x509.validity(far.der)[1] > expected[1] + 39 * 365 * 86400
