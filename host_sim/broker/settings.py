"""The broker's limits, and the counts of what happened.

It must never hold behaviour: who keeps a limit reads it here, and adds to the counts.
"""

from dataclasses import dataclass, field, fields

NEVER = 1 << 62  # a deadline that does not come; as `session_expiry_ms`: sessions stay for ever

OVERHEAD = 64
"""Bytes that Python keeps besides for each thing held (a frame, a queued message): an estimate on the low
side, without which a flood of empty messages would weigh nothing."""

LEVEL_COST = 400
"""The same for each level of a subscription's filter: a node of the tree."""


def _limit(default: int, about: str) -> int:
    return field(default=default, metadata={"help": about})


@dataclass(slots=True)
class Settings:
    """Limits, as ints. A peer that meets one loses messages, a subscription or its connection, never the
    broker; each is counted in `Counts`. "Full" always means that the newest is refused, except among
    connections that have not said who they are: there the oldest makes room.
    """

    max_packet_size: int = _limit(256 * 1024, "bytes of a whole packet; larger: closed")
    max_connect_size: int = _limit(16 * 1024, "the same for whatever comes before CONNECT is accepted")
    max_subscribe_size: int = _limit(64 * 1024, "the same for SUBSCRIBE and UNSUBSCRIBE")

    max_connections: int = _limit(20_000, "more: closed at once")
    max_half_open: int = _limit(2_000, "connections without an accepted CONNECT; more: the oldest is closed")
    max_half_open_per_address: int = _limit(1_000, "the same for one address, where the transport tells it")
    connect_timeout_ms: int = _limit(10_000, "from the connection, before any TLS handshake, to CONNECT")

    work_per_turn: int = _limit(
        500, "packets, deliveries, filters and retained messages looked at for one client before the others"
    )
    max_packet_rate: int = _limit(0, "packets a second from one client; more: they wait unread. 0: any")
    max_packet_burst: int = _limit(1_000, "packets that may come at once before that rate is kept")

    max_output_bytes: int = _limit(
        8 * 1024 * 1024, "waiting for one slow reader; more: QoS 0 is dropped, QoS 1 queued"
    )
    max_inflight: int = _limit(64, "unacknowledged QoS 1 messages of a session; more wait in its queue")
    max_queued: int = _limit(10_000, "messages in that queue; more: the newest is dropped")
    max_queued_bytes: int = _limit(8 * 1024 * 1024, "the queue with what is unacknowledged; the same")
    max_total_bytes: int = _limit(
        512 * 1024 * 1024,
        "outputs, queues and subscriptions of all together; more: as if one's own were full",
    )
    reserved_bytes: int = _limit(64 * 1024, "of outputs and queues, for each client whatever the others hold")

    max_sessions: int = _limit(10_000, "persistent sessions; a CONNECT for one more gets return code 3")
    session_expiry_ms: int = _limit(24 * 3600 * 1000, "from the end of its connection to that of the session")

    max_subscriptions: int = _limit(1_000, "of one session; more: refused with 0x80")
    max_subscription_bytes: int = _limit(
        4 * 1024 * 1024, f"their filters' text and {LEVEL_COST} for each level; the same"
    )
    max_retained: int = _limit(100_000, "messages, all together; more: passed on but not kept")
    max_retained_bytes: int = _limit(64 * 1024 * 1024, "their topics and payloads; the same")

    def __post_init__(self) -> None:
        if not 0 < self.max_inflight < 65535:
            raise ValueError("max_inflight must be in 1…65534, so that there is always a free packet id")
        for name in ("work_per_turn", "max_packet_burst"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, or nothing would ever be served")
        for each in fields(self):
            if getattr(self, each.name) < 0:
                raise ValueError(f"{each.name} is a limit, and cannot be negative")


@dataclass(slots=True)
class Counts:
    """What happened since the start, by kind."""

    connections: int = 0  # transports opened
    connected: int = 0  # CONNECTs accepted
    refused_connects: int = 0  # answered with a return code other than 0
    resumed: int = 0  # CONNECTs accepted that found their session again
    received: int = 0  # messages from clients, permitted or not
    sent: int = 0  # messages to clients, repetitions not counted
    resent: int = 0  # messages sent again on reconnecting
    publish_refused: int = 0  # not permitted: dropped though acknowledged
    subscribe_refused: int = 0  # 0x80
    dropped_slow: int = 0  # QoS 0, the reader being too slow
    dropped_away: int = 0  # QoS 0, the session's client being away
    dropped_queue: int = 0  # QoS 1, the queue being full
    dropped_unacked: int = 0  # QoS 1, lost with a session that ended
    dropped_revoked: int = 0  # QoS 1, no longer permitted when the client came back
    not_retained: int = 0  # over max_retained or max_retained_bytes
    throttled: int = 0  # times that a client had to wait for max_packet_rate
    evicted: int = 0  # half-open connections that made room
    sessions_refused: int = 0  # over max_sessions
    sessions_expired: int = 0
    protocol_errors: int = 0
    timeouts: int = 0  # keep alive, or no CONNECT in time
    wills: int = 0
