"""What Prometheus reads: counts of requests, refusals and commands, and how the exchange is.

Must never have a label that names a tenant, a device or a person, nor one whose values a stranger can choose.
"""

import time
from collections import Counter as Counts
from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from host_sim.cloud.exchange.exchange import Exchange
from host_sim.cloud.exchange.uplink import Broker
from host_sim.cloud.front.seats import Seats
from host_sim.cloud.live.hub import Live
from host_sim.cloud.notices import Notice
from host_sim.cloud.refusals import REFUSALS, code_of
from hxtp import errors

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
CODES = frozenset(map(code_of, REFUSALS)) | frozenset(
    code for name, code in vars(errors).items() if name.isupper() and isinstance(code, str)
)
LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds


class Metrics:
    """The numbers of one cloud, in a registry of their own."""

    def __init__(self, exchange: Exchange, uplink: Broker, live: Live, seats: Seats) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "hxtp_http_requests",
            "Requests by the route's pattern.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._latency = Histogram(
            "hxtp_http_request_seconds",
            "Time from a request to the end of its answer.",
            ("route",),
            buckets=LATENCIES,
            registry=self.registry,
        )
        self._refusals = Counter(
            "hxtp_device_refusals", "Messages for devices' ends refused.", ("code",), registry=self.registry
        )
        self._gate = Counter(
            "hxtp_gate_refusals",
            "Commands refused, each once, by the step of their way that refused them.",
            ("code", "step"),
            registry=self.registry,
        )
        self._answers = Counter(
            "hxtp_refusals",
            "Requests answered with an error, by the route's pattern.",
            ("code", "route"),
            registry=self.registry,
        )
        self._commands = Counter(
            "hxtp_commands", "Commands by what became of them in the end.", ("state",), registry=self.registry
        )
        self.registry.register(_Now(exchange, uplink, live, seats))
        ProcessCollector(registry=self.registry)
        exchange.listen_by_turn(self._count, quiet=lambda tenant_id: False)

    def request(self, scope: Any, status: int | None, began: float) -> None:
        """A request that has ended. `status` None: the peer went away. `began`: time.perf_counter()."""
        route = _route(scope)
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._requests.labels(method, route, str(status or "gone")).inc()
        self._latency.labels(route).observe(time.perf_counter() - began)

    def refused(self, code: str, step: str) -> None:
        """A command was refused."""
        self._gate.labels(_known(code), step).inc()

    def refusal(self, scope: Any, code: str) -> None:
        """A request was answered with this error."""
        self._answers.labels(_known(code), _route(scope)).inc()

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)

    def _count(self, notices: Sequence[Notice]) -> None:
        # By turn: to find a counter costs more than to count.
        for code, number in Counts(notice.code for notice in notices if notice.kind == "refused").items():
            self._refusals.labels(code).inc(number)
        ended = Counts(notice.body["state"] for notice in notices if notice.kind == "command")
        for state, number in ended.items():
            self._commands.labels(state).inc(number)


def _known(code: str) -> str:
    return code if code in CODES else "other"


def _route(scope: Any) -> str:
    return getattr(scope.get("route"), "path", None) or "unmatched"


class _Now(Collector):
    """What the exchange, the uplink and the WebSocket know of themselves, asked when Prometheus asks."""

    def __init__(self, exchange: Exchange, uplink: Broker, live: Live, seats: Seats) -> None:
        self._exchange = exchange
        self._uplink = uplink
        self._live = live
        self._seats = seats

    def collect(self) -> Iterator[Metric]:
        exchange = self._exchange
        yield CounterMetricFamily("hxtp_exchange_turns", "Transactions of the exchange.", exchange.turns)
        messages = CounterMetricFamily(
            "hxtp_device_messages", "Authentic messages of devices.", labels=["kind"]
        )
        for kind, number in sorted(exchange.taken.items()):
            messages.add_metric([kind], number)
        yield messages
        yield CounterMetricFamily(
            "hxtp_exchange_dropped", "Messages that came faster than they could be judged.", exchange.dropped
        )
        yield CounterMetricFamily(
            "hxtp_exchange_processor_seconds",
            "Processor time of the exchange's thread: near 1 a second, another worker is needed.",
            exchange.processor_s(),
        )
        yield GaugeMetricFamily("hxtp_exchange_waiting", "Items that wait for a turn.", exchange.waiting)
        connected = GaugeMetricFamily("hxtp_broker_connected", "Whether there is a session with the broker.")
        connected.add_metric([], float(self._uplink.connected()))
        yield connected
        stray = CounterMetricFamily(
            "hxtp_stray_messages", "Messages of topics that belong to no device, refused.", labels=["code"]
        )
        for code, count in sorted(exchange.refused.items()):
            stray.add_metric([code], count)
        yield stray
        yield GaugeMetricFamily("hxtp_socket_connections", "Open WebSockets.", self._live.connections)
        yield CounterMetricFamily(
            "hxtp_socket_dropped", "What somebody at a WebSocket was too slow for.", self._live.dropped
        )
        yield GaugeMetricFamily("hxtp_connections", "Open connections, WebSockets too.", self._seats.open)
        for name, words, label, counts in (
            (
                "hxtp_connections_refused",
                "Connections closed at once, by the bound that was reached.",
                "bound",
                self._seats.turned_away,
            ),
            (
                "hxtp_unread_requests",
                "What was no request, or too much or too slow, by what it was answered.",
                "code",
                self._seats.refused,
            ),
            ("hxtp_client_messages", "Messages of app clients that count.", "profile", self._live.accepted),
            ("hxtp_client_refusals", "Messages on the WebSocket refused.", "code", self._live.refused),
        ):
            family = CounterMetricFamily(name, words, labels=[label])
            for value, count in sorted(counts.items()):
                family.add_metric([value], count)
            yield family
