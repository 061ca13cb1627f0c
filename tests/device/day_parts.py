"""What a virtual day puts in the place of a board's clock, flash, link and parts; it must decide nothing."""

from collections import Counter

from test_device_clock import Time
from test_device_store import Flash

from hxtp.envelope import Message, parse
from hxtp_device.mqtt import Link


class Ticks(Time):
    """The time module of one life. The wall clock runs beside the ticks, and can be set to anything."""

    def __init__(self, network, first, wall):
        self._network = network
        self._began = network.now
        self._first = first
        super().__init__(true=wall)

    @property
    def ticks(self):
        return self._first + self._network.now - self._began

    @ticks.setter
    def ticks(self, value):
        """Time passes with the network's alone."""

    @property
    def true(self):
        return self._network.now // 1000 + self._ahead

    @true.setter
    def true(self, seconds):
        self._ahead = seconds - self._network.now // 1000


class CountedFlash(Flash):
    """Flash that counts the writes of each record."""

    def __init__(self):
        super().__init__()
        self.writes = Counter()

    def set_blob(self, key, value):
        self.writes[key[:-1]] += 1
        super().set_blob(key, value)


class TellingLink(Link):
    """The device's MQTT link, which tells the day the sequence numbers that leave."""

    def tell(self, numbers):
        self._numbers = numbers
        return self

    def publish(self, topic, payload, qos, now):
        payload = payload if isinstance(payload, bytes) else b"".join(payload)
        message = Message()
        parse(payload, message)
        self._numbers.append(message.sequence)
        super().publish(topic, payload, qos, now)


class Tally:
    """A part that tells the day of each run, and keeps the last number over power cuts."""

    KIND = "tally"
    name = "tally"

    def __init__(self, day):
        number = {"type": "integer", "minimum": 0, "maximum": 1 << 30, "required": True}
        self.actions = {"tally_set": (1000, "Keep a number", {"n": number})}
        self.last = 0
        self._day = day
        self.context = None

    def tally_set(self, params):
        self.last = params["n"]
        self._day.ran(self.last)
        self.context.changed(self)
        return {"n": self.last}

    def state(self):
        return {"last": self.last}

    def tick(self, now):
        pass

    def saved(self):
        return {"last": self.last}

    def restore(self, saved):
        self.last = saved["last"]


class Socket:
    """A TCP connection of the board through its own air: while that is down, bytes wait on either side."""

    def __init__(self, day, link):
        self.link = link
        self._day = day
        self._late = bytearray()
        self._inbox = bytearray()

    def readinto(self, view):
        if not self._day.air:
            return None
        self.carry()
        if not self._inbox:
            self._inbox += self.link.recv()
        if not self._inbox:
            return None if self.link.open else 0
        count = min(len(view), len(self._inbox))
        view[:count] = self._inbox[:count]
        del self._inbox[:count]
        return count

    def read(self, size):
        buffer = bytearray(size)
        count = self.readinto(buffer)
        return None if count is None else bytes(buffer[:count])

    def write(self, data):
        self._late += data
        self.carry()
        return len(data)

    def carry(self):
        if self._day.air and self._late:
            data = bytes(self._late)
            self._late.clear()
            try:
                self.link.send(data)
            except ConnectionError:
                raise OSError(104) from None

    def close(self):
        if self._day.air:
            self.link.close()
