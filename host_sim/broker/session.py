"""What belongs to a client rather than to its connection: subscriptions, and messages at QoS 1 (3.1.2.4).

It decides what is sent, kept or dropped, and in which order. It must never touch a transport, end a
connection or look at permissions.

A session that is not clean outlives its connection: then it keeps QoS 1 messages and drops those of QoS 0
(which [MQTT-3.1.2-5] allows). When its client is back, what was sent and not acknowledged goes first, again
under its packet id and with DUP, in the order of the first time [MQTT-4.4.0-1] [MQTT-4.6.0-1]; then the
queue. A full queue drops the newest message, so that what a client gets has no hole but at the end.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from host_sim.broker.packets import Publish
from host_sim.broker.retained import Scan
from host_sim.broker.settings import LEVEL_COST, NEVER, OVERHEAD

if TYPE_CHECKING:  # the core imports this module
    from host_sim.broker.connection import Connection
    from host_sim.broker.core import Broker


def _weight(message: Publish) -> int:
    return len(message.topic) + len(message.payload) + OVERHEAD


class Session:
    """One client's session. `connection` is None while its client is away. The broker owns it."""

    __slots__ = (
        "_broker", "_last_id", "_resend", "client_id", "connection", "expires_at", "held", "inflight",
        "persistent", "queue", "scans", "subscription_bytes", "subscriptions", "username",
    )  # fmt: skip

    def __init__(self, broker: "Broker", client_id: str, username: str | None, persistent: bool) -> None:
        self._broker = broker
        self.client_id = client_id
        self.username = username  # whose it is: another user of the same client id does not get it
        self.persistent = persistent
        self.connection: Connection | None = None
        self.expires_at = NEVER  # known while its client is away
        self.subscriptions: dict[str, int] = {}  # filter -> granted QoS
        self.subscription_bytes = 0
        self.inflight: dict[int, Publish] = {}  # packet id -> sent, not yet acknowledged, in order of sending
        self.queue: deque[tuple[Publish, bool]] = deque()  # (message, as retained), to send at QoS 1
        self.held = 0  # what both weigh, bytes
        self.scans: dict[str, Scan] = {}  # filter -> the retained messages that it is still to get
        self._resend: deque[int] = deque()  # ids of `inflight` to send again, now that the client is back
        self._last_id = 0

    # -- subscriptions --

    def may_add(self, topic_filter: str) -> bool:
        """Whether the limits leave room for one more; there always is for one that it has."""
        if topic_filter in self.subscriptions:
            return True
        settings, weight = self._broker.settings, _subscription_weight(topic_filter)
        return (
            len(self.subscriptions) < settings.max_subscriptions
            and self.subscription_bytes + weight <= settings.max_subscription_bytes
            and self._broker.held + weight <= settings.max_total_bytes
        )

    def add(self, topic_filter: str, qos: int) -> None:
        """A subscription, new or in place of the old one [MQTT-3.8.4-3], and what is retained for it."""
        if topic_filter not in self.subscriptions:
            self.subscription_bytes += _subscription_weight(topic_filter)
            self._broker.held += _subscription_weight(topic_filter)
        self.subscriptions[topic_filter] = qos
        self.scans[topic_filter] = Scan(self._broker.retained, topic_filter, qos)

    def remove(self, topic_filter: str) -> bool:
        """False if there was none. Messages that are queued already are still delivered [MQTT-3.10.4-3]."""
        if self.subscriptions.pop(topic_filter, None) is None:
            return False
        self.subscription_bytes -= _subscription_weight(topic_filter)
        self._broker.held -= _subscription_weight(topic_filter)
        self.scans.pop(topic_filter, None)
        return True

    # -- messages --

    def deliver(self, message: Publish, qos: int, retain: bool = False) -> None:
        """Send or keep one message at min(its QoS, the granted one); `retain` only for a new subscription.

        DUP is 0 whatever it was on arrival [MQTT-3.3.1-3]. Per QoS, messages leave in the order they came
        [MQTT-4.6.0-6].
        """
        counts = self._broker.counts
        connection = self.connection
        if not (qos and message.qos):
            if connection is None:
                counts.dropped_away += 1
                return
            if retain:
                frame = Publish(message.topic, message.payload, retain=True).encode()
            else:
                frame = message.plain()
            if connection.offer(frame):
                counts.sent += 1
            else:
                counts.dropped_slow += 1
            return
        weight = _weight(message)
        if not self._has_room(weight):
            counts.dropped_queue += 1
            return
        self.queue.append((message, retain))
        self.held += weight
        self._broker.held += weight
        if connection is not None:
            self.pump()

    def _has_room(self, weight: int) -> bool:
        settings = self._broker.settings
        return len(self.queue) < settings.max_queued and self._broker.has_room(
            self.held, weight, settings.max_queued_bytes
        )

    def pump(self) -> None:
        """Send what waits, as far as the window and the output have room: what is sent again goes first."""
        connection = self.connection
        counts = self._broker.counts
        while self._resend:
            message = self.inflight.get(self._resend[0])
            if message is not None:  # else acknowledged before it was sent again
                message.dup = True
                if not connection.offer(message.encode()):
                    return
                counts.resent += 1
            self._resend.popleft()
        window = self._broker.settings.max_inflight
        while self.queue and len(self.inflight) < window:
            message, retain = self.queue[0]
            copy = Publish(message.topic, message.payload, 1, retain, False, self._unused_id())
            if not connection.offer(copy.encode()):
                return
            self.queue.popleft()
            self.inflight[copy.packet_id] = copy
            self._last_id = copy.packet_id
            counts.sent += 1

    def acknowledge(self, packet_id: int) -> None:
        """PUBACK. One for a message that nobody knows is none of our business."""
        message = self.inflight.pop(packet_id, None)
        if message is not None:
            self._release(message)
            self.pump()

    def look_through(self, work: int) -> int:
        """Deliver retained messages for new subscriptions, looking at `work` of them at most; at how many it
        did. While its reader is behind it waits, so that nothing of this is ever dropped.
        """
        connection = self.connection
        largest = self._broker.settings.max_packet_size + OVERHEAD
        left = work
        while self.scans and left > 0:
            behind = self.queue or self._resend or not self._has_room(largest)
            if behind or not connection.has_room(largest):
                break
            topic_filter, scan = next(iter(self.scans.items()))
            message, steps = scan.find(left)
            left -= steps
            if scan.done:
                del self.scans[topic_filter]
            if message is not None:
                self.deliver(message, scan.qos, retain=True)
        return work - left

    # -- coming and going --

    def resume(self, connection: "Connection") -> None:
        """Its client is here (again)."""
        self.connection = connection
        self.expires_at = NEVER
        self._resend = deque(self.inflight)
        for scan in self.scans.values():
            scan.refresh()
        self.pump()

    def drop_messages(self, unwanted: Callable[[str], bool]) -> int:
        """Forget what is kept for topics of which `unwanted` is true; how many."""
        gone = [packet_id for packet_id, message in self.inflight.items() if unwanted(message.topic)]
        for packet_id in gone:
            self._release(self.inflight.pop(packet_id))
        before = len(self.queue)
        kept = deque()
        for message, retain in self.queue:
            if unwanted(message.topic):
                self._release(message)
            else:
                kept.append((message, retain))
        self.queue = kept
        return len(gone) + before - len(kept)

    def end(self) -> None:
        """Give back what it holds. Its subscriptions are to be removed first."""
        self._broker.counts.dropped_unacked += len(self.inflight) + len(self.queue)
        self._broker.held -= self.held
        self.held = 0
        self.inflight.clear()
        self.queue.clear()

    def _release(self, message: Publish) -> None:
        self.held -= _weight(message)
        self._broker.held -= _weight(message)

    def _unused_id(self) -> int:
        """[MQTT-2.3.1-2] in 1…65535; there is one, since max_inflight is less than that."""
        packet_id = self._last_id
        while True:
            packet_id = packet_id % 65535 + 1
            if packet_id not in self.inflight:
                return packet_id


def _subscription_weight(topic_filter: str) -> int:
    return len(topic_filter) + (topic_filter.count("/") + 1) * LEVEL_COST
