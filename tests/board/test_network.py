"""Wi-Fi as the firmware sees it, and connections as their peers see them when the board is out of reach."""

import pytest

from tests.board.peers import Peer, exactly, silent
from tests.board.running import finish, said

JOIN = """
import network, time
wlan = network.WLAN(network.STA_IF)
wlan.active(True)
wlan.connect("net", "password")
while not wlan.isconnected():
    time.sleep_ms(5)
"""


@pytest.fixture
def peer():
    peer = Peer()
    yield peer
    peer.close()


def dial(port, host="127.0.0.1"):
    return (
        JOIN
        + f"""
import socket
sock = socket.socket()
sock.connect(socket.getaddrinfo({host!r}, {port})[0][-1])
"""
    )


def test_a_station_joins_after_a_while(run):
    board = run("""
        import network, time
        wlan = network.WLAN(network.STA_IF)
        print(wlan.active(), wlan.status() == network.STAT_IDLE, wlan.isconnected(), wlan.ifconfig()[0])
        try:
            wlan.connect("net", "password")
        except OSError as error:
            print(error)
        wlan.active(True)
        wlan.connect("net", "password")
        print(wlan.status() == network.STAT_CONNECTING)
        try:
            wlan.connect("net", "password")
        except OSError as error:
            print(error)
        while not wlan.isconnected():
            time.sleep_ms(5)
        print(wlan.status() == network.STAT_GOT_IP, wlan.ifconfig()[0], wlan.ipconfig("addr4")[0])
        print(wlan.config("ssid"), len(wlan.config("mac")), network.WLAN() is wlan, wlan.status("rssi") < 0)
        wlan.disconnect()
        print(wlan.isconnected())
    """)
    assert said(board) == [
        "False True False 0.0.0.0",
        "Wifi Not Started",
        "True",
        "Wifi Internal State Error",
        "True 192.168.4.17 192.168.4.17",
        "net 6 True True",
        "False",
    ]
    assert [event["state"] for event in board.trace if event.ev == "wifi"] == ["connected", "left"]
    assert not any("password" in str(event.data) for event in board.trace)


def test_losing_wifi_is_seen_and_the_station_joins_again_by_itself(make):
    board = make(
        JOIN
        + """
print("joined")
while wlan.isconnected():
    time.sleep_ms(5)
print("lost", wlan.status() == network.STAT_CONNECTING)
while not wlan.isconnected():
    time.sleep_ms(5)
print("back")
"""
    )
    board.wait_for_log("joined")
    board.wifi(False)
    board.wait_for_log("lost True")
    board.wifi(True)
    finish(board)
    assert said(board) == ["joined", "lost True", "back"]


def test_a_wrong_password_and_a_wrong_network_have_their_status(make):
    program = """
        import network, time
        wlan = network.WLAN(network.STA_IF)
        wlan.active(True)
        wlan.config(reconnects=3)
        wlan.connect("net", "password")
        time.sleep_ms(150)
        print(wlan.isconnected(), wlan.status(), len(wlan.scan()))
    """
    board = make(program, start=False, folder="password")
    board.wifi_password(False)
    board.start()
    finish(board)
    assert said(board) == ["False 202 1"]
    board = make(program, start=False, folder="network")
    board.wifi_network("another")
    board.start()
    finish(board)
    assert said(board) == ["False 201 1"]


def test_without_a_network_nothing_is_found(run):
    board = run("""
        import socket
        for host in ("broker.test", "127.0.0.1"):
            try:
                socket.getaddrinfo(host, 1883)
            except OSError as error:
                print(error.args[0])
    """)
    assert said(board) == ["-202", "118"]


def test_a_name_that_does_not_exist_is_not_found(run):
    board = run(
        JOIN
        + """
import socket
try:
    socket.getaddrinfo("no.invalid", 1)
except OSError as error:
    print(error.args[0])
"""
    )
    assert said(board) == ["-202"]


def test_bytes_arrive_both_ways_and_an_end_is_an_end(make, peer):
    board = make(
        dial(peer.port, "localhost")
        + """
sock.write(b"question")
print(sock.read(6), sock.readline(), sock.read(10))
sock.close()
"""
    )
    connection = peer.accept()
    assert exactly(connection, 8) == b"question"
    connection.sendall(b"answer line\nrest")
    connection.close()
    finish(board)
    assert said(board) == ["b'answer' b' line\\n' b'rest'"]


def test_a_close_by_the_firmware_reaches_the_peer(make, peer):
    make(dial(peer.port) + "sock.write(b'x')\nsock.close()\ntime.sleep(60)")
    connection = peer.accept()
    assert exactly(connection, 1) == b"x"
    assert connection.recv(1) == b""


def test_reads_behave_as_on_the_board(make, peer):
    board = make(
        dial(peer.port)
        + """
import select
sock.setblocking(False)
print(sock.read(1), sock.readinto(bytearray(4)))
poll = select.poll()
poll.register(sock, select.POLLIN)
print(poll.poll(10))
sock.setblocking(True)
sock.settimeout(0.05)
try:
    sock.read(1)
except OSError as error:
    print(error.args[0] in (110, 116))
sock.settimeout(None)
sock.write(b"now")
sock.read(1)
sock.setblocking(False)
while not poll.poll(100):
    pass
print(poll.poll(0)[0][0] is sock, sock.read(10))
"""
    )
    connection = peer.accept()
    exactly(connection, 3)
    connection.sendall(b"12")
    finish(board)
    assert said(board) == ["None None", "[]", "True", "True b'2'"]


def test_a_refused_connection_ends_in_a_reset(make, peer):
    peer.close()
    board = make(
        dial(peer.port)
        + """
try:
    print(sock.read(1))
except OSError as error:
    print(error.args[0])
"""
    )
    finish(board)
    assert said(board) == ["104"]


def test_bytes_sent_while_out_of_reach_arrive_later(make, peer):
    board = make(
        dial(peer.port)
        + """
sock.write(b"1")
while wlan.isconnected():
    time.sleep_ms(5)
sock.write(b"2")
print("sent")
print(sock.read(1))
"""
    )
    connection = peer.accept()
    assert exactly(connection, 1) == b"1"
    board.wifi(False)
    board.wait_for_log("sent")
    connection.sendall(b"a")
    assert silent(connection)
    assert "b'a'" not in board.log
    board.wifi(True)
    assert exactly(connection, 1) == b"2"
    finish(board)
    assert "b'a'" in board.log


def test_a_connection_closed_while_out_of_reach_ends_when_it_is_back(make, peer):
    board = make(
        dial(peer.port) + "sock.write(b'1')\nwhile wlan.isconnected():\n    time.sleep_ms(5)\nsock.close()"
    )
    connection = peer.accept()
    assert exactly(connection, 1) == b"1"
    board.wifi(False)
    finish(board)
    assert silent(connection)
    board.wifi(True)
    assert connection.recv(1) == b""


def test_a_power_cut_closes_nothing_and_a_board_that_is_back_resets_what_it_does_not_know(make, peer):
    board = make(dial(peer.port) + "sock.write(b'1')\ntime.sleep(60)")
    first = peer.accept()
    assert exactly(first, 1) == b"1"
    board.power_cut()
    assert silent(first)
    board.power_on()
    second = peer.accept()
    assert exactly(second, 1) == b"1"
    assert silent(first)
    first.sendall(b"are you there?")
    with pytest.raises(ConnectionResetError):
        first.recv(1)


@pytest.mark.parametrize("end", ["machine.reset()", "machine.WDT(timeout=100)\nwhile True:\n    pass"])
def test_a_reset_closes_nothing(make, peer, end):
    board = make(dial(peer.port) + "sock.write(b'1')\nimport machine\ntime.sleep_ms(50)\n" + end)
    first = peer.accept()
    assert exactly(first, 1) == b"1"
    board.wait_for(lambda event: event.ev == "boot" and event.boot > 1)
    assert silent(first, 0.1)
    board.power_cut()


def test_a_router_that_starts_anew_resets_both_sides(make, peer):
    board = make(
        dial(peer.port)
        + "sock.write(b'1')\ntry:\n    sock.read(1)\nexcept OSError as error:\n    print(error.args[0])"
    )
    connection = peer.accept()
    assert exactly(connection, 1) == b"1"
    board.reset_connections()
    with pytest.raises(ConnectionResetError):
        connection.recv(1)
    finish(board)
    assert said(board) == ["104"]


def test_large_amounts_pass_whole_however_slowly_they_are_read(make, peer):
    """More than all the buffers on the way hold, so that each side has to wait for the other."""
    board = make(
        dial(peer.port)
        + """
import hashlib
seen = hashlib.sha256()
left = 3000000
while left:
    data = sock.read(min(left, 2000))
    seen.update(data)
    left -= len(data)
import binascii
print(binascii.hexlify(seen.digest()).decode())
for _ in range(1500):
    sock.write(b"0123456789" * 200)
"""
    )
    import hashlib
    import random

    connection = peer.accept()
    data = random.Random(1).randbytes(3000000)
    connection.sendall(data)
    assert exactly(connection, 3000000) == b"0123456789" * 300000
    finish(board)
    assert said(board) == [hashlib.sha256(data).hexdigest()]


def test_an_access_point_is_noted(run):
    board = run("""
        import network
        ap = network.WLAN(network.AP_IF)
        ap.config(ssid="setup", key="password", security=network.WLAN.SEC_WPA2)
        ap.active(True)
        print(ap.active(), ap.ifconfig()[0], ap.status("stations"), ap.isconnected(), ap.config("ssid"))
        ap.active(False)
        network.hostname("lamp")
        print(network.hostname(), network.WLAN(network.STA_IF).config("hostname"))
    """)
    assert [event["ssid"] for event in board.trace if event.ev == "ap"] == ["setup", None]
    assert said(board) == ["True 192.168.4.1 [] False setup", "lamp lamp"]


def test_requests_fetches_posts_and_reports(make, peer):
    board = make(
        JOIN
        + f"""
import urequests as requests
answer = requests.get("http://127.0.0.1:{peer.port}/path?x=1", headers={{"X-Test": "yes"}})
print(answer.status_code, answer.json(), answer.headers["Content-Type"])
answer.close()
answer = requests.post("http://127.0.0.1:{peer.port}/", json={{"a": 1}}, timeout=10)
print(answer.status_code, answer.text)
answer.close()
try:
    requests.get("ftp://127.0.0.1/")
except ValueError as error:
    print(error)
"""
    )
    first = peer.accept()
    request = first.recv(4096)
    while b"\r\n\r\n" not in request:
        request += first.recv(4096)
    assert request.startswith(b"GET /path?x=1 HTTP/1.0\r\n") and b"X-Test: yes\r\n" in request
    first.sendall(b'HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{"a": 5}')
    first.close()
    second = peer.accept()
    request = second.recv(4096)
    while not request.endswith(b"}"):
        request += second.recv(4096)
    assert request.startswith(b"POST / HTTP/1.0\r\n") and request.endswith(b'\r\n\r\n{"a": 1}')
    second.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")
    second.close()
    finish(board)
    assert said(board) == ["200 {'a': 5} application/json", "404 no", "Unsupported protocol: ftp:"]
