"""From one worker to the connections of all of them: within a process, and through Redis."""

import asyncio
import contextlib
import json
import threading
from collections import Counter
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_sim.cloud.live import connection, hub
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


def _measured(count, tenant_id="home"):
    return [Notice("telemetry", tenant_id, "lamp", number, "", {"n": number}) for number in range(count)]


class _Listener:
    def __init__(self):
        self.heard = []

    def deliver(self, item):
        self.heard.append(item)


def test_the_event_loop_is_reached_from_any_thread_and_a_room_ends_with_its_last():
    async def scene():
        live, listener = Live(bounds=Bounds(connections=1)), _Listener()
        with live.seat("home", listener):
            assert live.connections == 1
            with pytest.raises(Full), live.seat("home", _Listener()):
                pass
            thread = threading.Thread(target=lambda: [live.fanout.publish(one) for one in _measured(3)])
            thread.start()
            thread.join()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert listener.heard == [Out(one.kind, one.device_id, one.body, one.at) for one in _measured(3)]
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


@contextlib.contextmanager
def _turns():
    """A list with one entry for each time that the loop has dealt with all that was due."""
    turns, loop = [], asyncio.get_running_loop()

    def turn():
        turns.append(None)
        handle[0] = loop.call_soon(turn)

    handle = [loop.call_soon(turn)]
    try:
        yield turns
    finally:
        handle[0].cancel()


def test_much_in_one_tenant_is_told_in_slices_and_others_are_told_in_between(monkeypatch):
    monkeypatch.setattr(hub, "DELIVERIES", 8)

    async def scene():
        live, crowd, other, when = Live(), [_Listener() for _ in range(5)], _Listener(), []
        with contextlib.ExitStack() as seats, _turns() as turns:
            for listener in crowd:
                seats.enter_context(live.seat("home", listener))
                listener.deliver = lambda item, heard=listener.heard: (
                    heard.append(item.at),
                    when.append(len(turns)),
                )
            seats.enter_context(live.seat("other", other))
            live.fanout.publish_all([*_measured(200), *_measured(1, "other")])
            while not other.heard:
                await asyncio.sleep(0)
            before_the_other = len(when)
            while len(when) < 5 * 200:
                await asyncio.sleep(0)
        return [listener.heard for listener in crowd], when, before_the_other, live.dropped

    told, when, before_the_other, dropped = asyncio.run(scene())
    assert told == [list(range(200))] * 5 and dropped == 0
    assert max(Counter(when).values()) == 8
    assert before_the_other <= 2 * 8


def test_who_goes_while_much_is_told_is_told_no_more_and_the_rest_goes_on(monkeypatch):
    monkeypatch.setattr(hub, "DELIVERIES", 3)

    async def scene():
        live, stays, goes, late = Live(), _Listener(), _Listener(), _Listener()
        with live.seat("home", stays):
            with live.seat("home", goes):
                live.fanout.publish_all(_measured(20))
                while len(goes.heard) < 4:
                    await asyncio.sleep(0)
            heard = len(goes.heard)
            while len(stays.heard) < 20:
                await asyncio.sleep(0)
            live.fanout.publish_all(_measured(20))
        # All have gone, while a part still waits.
        with live.seat("home", late):
            for _ in range(20):
                await asyncio.sleep(0)
            live.fanout.publish(STATE)
            while not late.heard:
                await asyncio.sleep(0)
        return heard, len(goes.heard), [item.at for item in stays.heard], [item.kind for item in late.heard]

    heard, after, stayed, late = asyncio.run(scene())
    assert heard == after and stayed == list(range(20)) and late == ["state"]


def test_of_a_devices_states_that_wait_for_the_loop_the_newest_is_told_in_the_place_of_the_first():
    async def scene():
        live, listener = Live(), _Listener()
        with live.seat("home", listener):
            live.fanout.publish_all(
                [
                    Notice(kind, "home", name, at)
                    for at, (kind, name) in enumerate(
                        [
                            ("state", "a"),
                            ("telemetry", "a"),
                            ("state", "b"),
                            ("state", "a"),
                            ("telemetry", "a"),
                        ]
                    )
                ]
            )
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return [(item.kind, item.device_id, item.at) for item in listener.heard], live.dropped

    assert asyncio.run(scene()) == (
        [("state", "a", 3), ("telemetry", "a", 1), ("state", "b", 2), ("telemetry", "a", 4)],
        0,
    )


class _Socket:
    """What takes all that is written to it at once."""

    def __init__(self, turns):
        self.sent = []
        self.when = []
        self._turns = turns

    async def send_text(self, text):
        self.sent.append(text)
        self.when.append(len(self._turns))

    async def receive(self):
        await asyncio.Event().wait()


def test_what_waits_for_a_socket_is_written_a_few_at_a_time_and_its_text_is_made_once():
    services = SimpleNamespace(live=Live())
    caller = SimpleNamespace(tenant_id="home")

    async def scene():
        with _turns() as turns, contextlib.ExitStack() as stack:
            sockets, work = [_Socket(turns) for _ in range(2)], []
            for socket in sockets:
                one = connection.Connection(socket, services, caller, "", frozenset(("telemetry",)))
                stack.enter_context(services.live.seat("home", one))
                for item in (Out("telemetry", "lamp", {}, 0) for _ in range(100)):
                    one.deliver(item)  # a reader that was behind, and is not any more
                work.append(asyncio.create_task(one.run()))
            services.live.fanout.publish_all(_measured(3))
            while any(len(socket.sent) < 103 for socket in sockets):
                await asyncio.sleep(0)
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        return sockets

    first, second = asyncio.run(scene())
    for socket in (first, second):
        assert max(Counter(socket.when).values()) <= connection.WRITES
        assert [json.loads(text)["data"] for text in socket.sent[100:]] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert all(one is other for one, other in zip(first.sent[100:], second.sent[100:], strict=True))


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
