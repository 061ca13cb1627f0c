"""What waits for the exchange: nothing lost, nothing twice, each device's messages in their order."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_sim.cloud.exchange import inbox as module
from host_sim.cloud.exchange.inbox import Inbox

DEVICES = st.sampled_from([("home", "lamp"), ("home", "fan"), ("work", "lamp")])
CHANNELS = st.sampled_from(["state", "telemetry"])


def put(inbox: Inbox, tenant_id: str, device_id: str, channel: str, *payloads: bytes) -> tuple[int, int]:
    name = f"{tenant_id}/{device_id}/{channel}"
    box, channel = inbox.sources.get(name) or inbox.open(name, tenant_id, device_id, channel)
    return inbox.put(box, channel, payloads)


@given(
    st.lists(
        st.one_of(
            st.tuples(DEVICES, CHANNELS, st.lists(st.binary(max_size=4), min_size=1, max_size=4)),
            st.integers(0, 5),
        ),
        max_size=60,
    ),
    st.sampled_from([2, 1000]),
)
def test_each_device_is_taken_once_and_its_messages_in_the_order_in_which_they_came(steps, known):
    inbox, sent, got = Inbox(), defaultdict(list), defaultdict(list)
    waiting = 0

    def take(most: int) -> int:
        found = inbox.take(most)
        devices = [(one.tenant_id, one.device_id) for one in found]
        assert len(set(devices)) == len(devices)
        for device, one in zip(devices, found, strict=True):
            assert one.messages
            got[device] += one.messages
        return sum(len(one.messages) for one in found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "KNOWN", known)
        for step in steps:
            if isinstance(step, int):
                took = take(step)
                assert took == min(step, waiting)
                waiting -= took
            else:
                device, channel, payloads = step
                assert put(inbox, *device, channel, *payloads) == (waiting, len(payloads))
                waiting += len(payloads)
                sent[device] += [(channel, payload) for payload in payloads]
            assert inbox.count == waiting
        assert take(4 * len(steps)) == waiting
    assert got == sent


def test_who_sends_most_does_not_keep_the_others_waiting():
    inbox = Inbox()
    for _ in range(10):
        put(inbox, "home", "flood", "telemetry", b"")
    put(inbox, "home", "lamp", "state", b"")
    taken = [[(one.device_id, len(one.messages)) for one in inbox.take(4)] for _ in range(3)]
    assert taken == [[("flood", 4)], [("lamp", 1), ("flood", 3)], [("flood", 3)]]


def test_no_more_wait_than_may_by_number_and_by_size(monkeypatch):
    monkeypatch.setattr(module, "WAITING", 3)
    monkeypatch.setattr(module, "WAITING_BYTES", 10)
    inbox = Inbox()
    assert [put(inbox, "home", "lamp", "state", b"12345") for _ in range(3)] == [(0, 1), (1, 1), (2, 0)]
    assert [put(inbox, "home", "lamp", "state", b"") for _ in range(2)] == [(2, 1), (3, 0)]
    assert sum(len(one.messages) for one in inbox.take(2)) == 2
    assert put(inbox, "home", "lamp", "state", b"12345", b"12345", b"12345") == (1, 2)
    assert put(inbox, "home", "lamp", "state", b"") == (3, 0)
    assert [payload for one in inbox.take(9) for _, payload in one.messages] == [b"", b"12345", b"12345"]
