"""From one worker to the connections of all of them: within a process, and through Redis."""

import asyncio
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_sim.cloud.live import hub
from host_sim.cloud.live.fanout import LocalFanout, RedisFanout
from host_sim.cloud.live.hub import Bounds, Full, Live
from host_sim.cloud.live.outbox import Out, Outbox, Overflow
from host_sim.cloud.notices import Notice
from tests.cloud.programs import PLAIN, dial, token_of
from tests.cloud.waiting import WAIT, until

STATE = Notice("state", "home", "lamp", 1704067200000, "", {"brightness": 1, "name": "Küche"})


@pytest.fixture
def worker(redis_server):
    """worker() is the fan-out of one more worker."""
    running = []

    def started(url=redis_server.url):
        running.append(RedisFanout(url))
        running[-1].start()
        return running[-1]

    yield started
    for one in running:
        one.stop()


def test_within_a_process_each_tenant_hears_of_its_own():
    fanout, heard, others = LocalFanout(), [], []
    end = fanout.subscribe("home", heard.append)
    fanout.subscribe("other", others.append)
    for kind in ("state", "telemetry", "command", "heartbeat", "refused", "hello"):
        fanout.publish(Notice(kind, "home", "lamp", 1))
    end()
    fanout.publish(STATE)
    assert [notice.kind for notice in heard] == ["state", "telemetry", "command"] and others == []


def test_what_one_worker_commits_the_others_hear(worker):
    first, second, heard, own, others = worker(), worker(), [], [], []
    first.subscribe("home", own.append)
    second.subscribe("other", others.append)
    end = second.subscribe("home", heard.append)

    def arrived():
        first.publish(STATE)
        return heard

    until(arrived, "the first notice of the other worker")
    assert heard[0] == STATE
    first.publish(Notice("command", "home", "lamp", 2, "", {"id": "x", "state": "acknowledged"}))
    until(lambda: heard[-1].kind == "command", "what comes after it")
    assert len(own) == len([notice for notice in own if notice.kind == "state"]) + 1  # none twice
    assert others == []
    end()
    again = []
    second.subscribe("home", again.append)
    until(lambda: first.publish(STATE) or again, "the same after listening anew")


def test_what_others_put_into_redis_harms_nobody(worker, redis_server):
    one, heard = worker(), []
    one.subscribe("home", heard.append)
    client = one._redis
    until(lambda: client.publish("hxtp:live:home", "[1]"), "the worker to listen")
    for junk in (b"", b"{}", b"\xff", b"[1,2,3,4,5,6,7]", b'["a","state","home","lamp",1,"",null]'):
        client.publish("hxtp:live:home", junk)
    other = worker()
    until(lambda: other.publish(STATE) or heard, "what is meant for it")
    assert heard[0] == STATE


def test_without_redis_a_worker_still_tells_its_own(worker):
    from host_sim.servers import free_port

    alone, heard = worker(f"redis://127.0.0.1:{free_port()}/0"), []
    alone.subscribe("home", heard.append)
    alone.publish(STATE)
    assert heard == [STATE]
    until(lambda: alone.dropped, "the loss to be counted")


def test_what_redis_does_not_take_in_time_is_dropped(redis_server, monkeypatch):
    monkeypatch.setattr("host_sim.cloud.live.fanout.WAITING", 3)
    idle = RedisFanout(redis_server.url)  # nobody takes anything out
    for _ in range(5):
        idle.publish(STATE)
    assert idle.dropped == 2
    idle.stop()


class _Listener:
    def __init__(self):
        self.heard = []

    def deliver(self, notice):
        self.heard.append(notice)


def test_the_event_loop_is_reached_from_any_thread_and_a_room_ends_with_its_last():
    async def scene():
        live, listener = Live(bounds=Bounds(connections=1)), _Listener()
        with live.seat("home", listener):
            assert live.connections == 1
            with pytest.raises(Full), live.seat("home", _Listener()):
                pass
            thread = threading.Thread(target=lambda: [live.fanout.publish(STATE) for _ in range(3)])
            thread.start()
            thread.join()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert listener.heard == [STATE] * 3
        assert live.connections == 0
        live.fanout.publish(STATE)
        await asyncio.sleep(0)
        assert len(listener.heard) == 3

    asyncio.run(scene())


def test_a_loop_that_is_busy_loses_the_oldest(monkeypatch):
    monkeypatch.setattr(hub, "WAITING", 2)

    async def scene():
        live, listener = Live(), _Listener()
        with live.seat("home", listener):
            for number in range(5):
                live.fanout.publish(Notice("telemetry", "home", "lamp", number))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return live.dropped, [notice.at for notice in listener.heard]

    assert asyncio.run(scene()) == (3, [3, 4])


_outs = st.builds(
    Out,
    st.sampled_from(["state", "telemetry", "ack"]),
    st.sampled_from("abc"),
    st.fixed_dictionaries({"n": st.integers(0, 99)}),
    vital=st.just(False),
).map(lambda out: out if out.kind != "ack" else Out("ack", out.device_id, out.body, vital=True))


@given(st.lists(_outs, max_size=40), st.integers(3, 8))
def test_an_outbox_is_bounded_tells_the_newest_states_and_loses_no_ack(items, most):
    async def scene():
        box, sent, refused = Outbox(most), [], 0
        for item in items:
            try:
                box.put(item)
            except Overflow:
                refused += 1
            assert refused or len(box) <= most
        while len(box):
            sent.append(await box.take())
        return sent, refused, box.dropped

    sent, refused, dropped = asyncio.run(scene())
    acks = [item for item in items if item.kind == "ack"]
    assert [item for item in sent if item.kind == "ack"] == acks
    for device in "abc":
        told = [item for item in sent if item.kind == "state" and item.device_id == device]
        assert len(told) <= 1
        if told:
            assert told[0] is [i for i in items if i.kind == "state" and i.device_id == device][-1]
        elif not dropped:
            assert all(item.kind != "state" or item.device_id != device for item in items)
    assert refused == 0 or len(acks) > most


@pytest.fixture(scope="module")
def cloud_settings(redis_server):
    return {**PLAIN, "redis": redis_server.url}


@pytest.fixture
def dashboard(cloud, api):
    """dashboard() is the next thing that it is told; of a tenant whose states it hears by now."""
    with dial(cloud, token_of(api())) as socket:
        socket.send("ping")
        while socket.recv(WAIT) != "pong":
            pass
        yield lambda timeout=WAIT: json.loads(socket.recv(timeout))


def told_by(other, dashboard, tenant_id, brightness):
    """What the dashboard is told when another worker has this state to tell, for as long as that takes."""

    def told():
        other.publish(Notice("state", tenant_id, "elsewhere", 5, "", {"brightness": brightness}))
        try:
            heard = dashboard(0.1)
        except TimeoutError:
            return None
        return heard if heard["state"].get("brightness") == brightness else None

    return until(told, "what the other worker tells")


def told_here(api, dashboard, lamp, brightness):
    """Whether the dashboard is told what a device of its own worker did."""
    api().command(lamp.id, "light_brightness", {"brightness": brightness})
    return until(
        lambda: dashboard().get("state", {}).get("brightness") == brightness, "what this worker tells itself"
    )


def test_a_dashboard_is_told_what_another_worker_committed(api, device, worker, dashboard):
    lamp = device()
    assert told_by(worker(), dashboard, lamp.registration["tenant_id"], 9) == {
        "type": "state_update",
        "device_id": "elsewhere",
        "state": {"brightness": 9},
        "timestamp": 5,
    }
    assert told_here(api, dashboard, lamp, 44)


def test_a_dashboard_goes_on_while_redis_is_away_and_hears_all_workers_when_it_is_back(
    api, device, worker, dashboard, redis_server
):
    lamp, other = device(), worker()
    tenant_id = lamp.registration["tenant_id"]
    assert told_by(other, dashboard, tenant_id, 10)
    redis_server.kill()
    assert told_here(api, dashboard, lamp, 45)
    missed = other.dropped
    other.publish(Notice("state", tenant_id, "elsewhere", 5, "", {"brightness": 11}))
    until(lambda: other.dropped > missed, "the loss to be counted")
    assert told_here(api, dashboard, lamp, 46)
    redis_server.start()
    assert told_by(other, dashboard, tenant_id, 12)
    assert told_here(api, dashboard, lamp, 47)
