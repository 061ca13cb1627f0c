"""`umqtt.simple` as stock ESP32 firmware has it frozen: the same interface, and the same traps.

Written anew from the interface. It must never be better than stock, or firmware that leans on it fails in the
field: wait_msg() turns the socket blocking and so drops a time-out, packet ids never wrap, publish(qos=1)
waits for its PUBACK for ever, nothing sends a ping by itself, and a length is trusted however large it is.
"""

import socket
from struct import pack


class MQTTException(Exception):
    """The broker's refusal; its argument is the return code of CONNACK or SUBACK."""


class MQTTClient:
    def __init__(
        self,
        client_id,
        server,
        port=0,
        user=None,
        password=None,
        keepalive=0,
        ssl=None,
        ssl_params={},  # noqa: B006  (never changed; the stock signature)
    ):
        """`ssl`: an SSLContext, True for one without verification, or None. `keepalive` in seconds."""
        self.client_id = client_id
        self.sock = None
        self.server = server
        self.port = port or (8883 if ssl else 1883)
        self.ssl = ssl
        self.ssl_params = ssl_params
        self.pid = 0
        self.cb = None
        self.user = user
        self.pswd = password
        self.keepalive = keepalive
        self.lw_topic = None
        self.lw_msg = None
        self.lw_qos = 0
        self.lw_retain = False

    def _send_str(self, text):
        self.sock.write(pack("!H", len(text)))
        self.sock.write(text)

    def _recv_len(self):
        length = 0
        shift = 0
        while True:
            octet = self.sock.read(1)[0]
            length |= (octet & 0x7F) << shift
            if not octet & 0x80:
                return length
            shift += 7

    def _head(self, first, length):
        """Send a fixed header: type and flags, then the length in groups of seven bits."""
        head = bytearray([first])
        while length > 0x7F:
            head.append(length & 0x7F | 0x80)
            length >>= 7
        head.append(length)
        self.sock.write(head)

    def set_callback(self, f):
        self.cb = f

    def set_last_will(self, topic, msg, retain=False, qos=0):
        assert 0 <= qos <= 2
        assert topic
        self.lw_topic = topic
        self.lw_msg = msg
        self.lw_qos = qos
        self.lw_retain = retain

    def connect(self, clean_session=True, timeout=None):
        """Connect; True if the broker had a session. `timeout` in seconds holds for the socket until
        wait_msg()."""
        self.sock = socket.socket()
        self.sock.settimeout(timeout)
        self.sock.connect(socket.getaddrinfo(self.server, self.port)[0][-1])
        if self.ssl is True:
            import ssl

            self.sock = ssl.wrap_socket(self.sock, **self.ssl_params)
        elif self.ssl:
            self.sock = self.ssl.wrap_socket(self.sock, server_hostname=self.server)
        flags = 2 if clean_session else 0
        parts = [self.client_id]
        if self.keepalive:
            assert self.keepalive < 65536
        if self.lw_topic:
            flags |= 4 | self.lw_qos << 3 | int(self.lw_retain) << 5
            parts += [self.lw_topic, self.lw_msg]
        if self.user is not None:
            flags |= 0xC0
            parts += [self.user, self.pswd]
        self._head(0x10, 10 + sum(2 + len(part) for part in parts))
        self.sock.write(pack("!H4sBBH", 4, b"MQTT", 4, flags, self.keepalive))
        for part in parts:
            self._send_str(part)
        answer = self.sock.read(4)
        assert answer[0] == 0x20 and answer[1] == 2
        if answer[3] != 0:
            raise MQTTException(answer[3])
        return answer[2] & 1

    def disconnect(self):
        self.sock.write(b"\xe0\0")
        self.sock.close()

    def ping(self):
        self.sock.write(b"\xc0\0")

    def publish(self, topic, msg, retain=False, qos=0):
        """Send; with qos=1, wait until it is acknowledged. QoS 2 is not there."""
        length = 2 + len(topic) + len(msg) + (2 if qos else 0)
        assert length < 2097152
        self._head(0x30 | qos << 1 | int(retain), length)
        self._send_str(topic)
        if qos > 0:
            self.pid += 1
            pid = self.pid
            self.sock.write(pack("!H", pid & 0xFFFF))
        self.sock.write(msg)
        if qos == 1:
            while True:
                op = self.wait_msg()
                if op == 0x40:
                    assert self.sock.read(1) == b"\x02"
                    number = self.sock.read(2)
                    if pid == number[0] << 8 | number[1]:
                        return
        elif qos == 2:
            assert 0

    def subscribe(self, topic, qos=0):
        assert self.cb is not None, "Subscribe callback is not set"
        self.pid += 1
        self._head(0x82, 2 + 2 + len(topic) + 1)
        self.sock.write(pack("!H", self.pid & 0xFFFF))
        self._send_str(topic)
        self.sock.write(bytes([qos]))
        while True:
            op = self.wait_msg()
            if op == 0x90:
                answer = self.sock.read(4)
                assert answer[1] == self.pid >> 8 & 0xFF and answer[2] == self.pid & 0xFF
                if answer[3] == 0x80:
                    raise MQTTException(answer[3])
                return

    def wait_msg(self):
        """Wait for one packet. A message goes to the callback; the type of any other packet is returned."""
        first = self.sock.read(1)
        self.sock.setblocking(True)
        if first is None:
            return None
        if first == b"":
            raise OSError(-1)
        if first == b"\xd0":
            assert self.sock.read(1)[0] == 0
            return None
        op = first[0]
        if op & 0xF0 != 0x30:
            return op
        length = self._recv_len()
        topic_length = self.sock.read(2)
        topic_length = topic_length[0] << 8 | topic_length[1]
        topic = self.sock.read(topic_length)
        length -= topic_length + 2
        if op & 6:
            pid = self.sock.read(2)
            length -= 2
        msg = self.sock.read(length)
        self.cb(topic, msg)
        if op & 6 == 2:
            self.sock.write(b"\x40\x02" + pid)
        elif op & 6 == 4:
            assert 0
        return op

    def check_msg(self):
        """wait_msg() if there is something to read, else None at once."""
        self.sock.setblocking(False)
        return self.wait_msg()
