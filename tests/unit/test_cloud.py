"""The cloud's end of one device: hello answered, commands delivered once, refusals without effect."""

from check import raises
from test_session import Forger, opened
from world import DEVICE, SECRET, TENANT, Random, World

from hxtp import envelope, jsontext
from hxtp.cloud import Link
from hxtp.errors import HxtpError
from hxtp.sign import Key
from hxtp.window import Window


def ready():
    world = World()
    world.connect()
    return world


def snapshot(link):
    window = link._slots[0][1]
    return (
        link.session, link.boot_count, link.manifest_hash, link.state, link.last_seen, link.sent, window.highest,
        window.taken, [(o.message_id, o.state, o.attempts) for o in link.orders], len(link._answers), link.framed,
    )  # fmt: skip


class Device:
    """Signs what a device would say, without being a Session."""

    def __init__(self, world, secret=SECRET, first=5000):
        self.forger = Forger(world, secret, first)
        self.world = world

    def say(self, kind, body, channel=None, **changes):
        message = self.forger.send(kind, body, channel or kind, deliver=False, **changes)
        return self.world.to_cloud(message)

    def hello(self, **changes):
        body = {"boot_count": 1, "challenge": "ab" * 16, "results_kept": 8, "manifest_hash": "00" * 32}
        body.update(changes)
        return self.say("hello", body)


def test_a_hello_is_answered_with_numbers_time_and_wishes():
    world = World()
    Device(world).hello()
    answer = opened(world.cloud.take(world.time())).params()
    reference = answer.pop("ref_message_id")
    assert len(reference) == 36
    assert answer == {
        "challenge": "ab" * 16, "features": [], "heartbeat_interval": 30, "last_cloud_sequence": 1,
        "last_device_sequence": 5001, "limits": {"future_s": 60, "max_age_s": 300}, "manifest_wanted": True,
        "server_time": world.time(), "session": True,
    }  # fmt: skip


def test_a_known_manifest_is_not_wanted_again():
    world = ready()
    assert world.cloud.manifest["capabilities"][0]["action"] == "light_off"
    world.device.disconnected(world.now)
    assert [event.type for event in world.connect()] == ["hello", "state"]


def test_a_new_manifest_is_wanted():
    world = ready()
    Device(world).hello()
    assert opened(world.cloud.take(world.time())).params()["manifest_wanted"] is True
    assert world.cloud.manifest is None


def test_a_manifest_that_is_not_the_one_of_hello_is_refused():
    world = ready()
    assert Device(world).say("manifest", {"capabilities": []}) is None
    assert world.cloud.refused["HASH_MISMATCH"] == 1 and world.cloud.manifest["capabilities"]


def test_a_stale_hello_is_answered_once_in_five_seconds_and_starts_nothing():
    world = ready()
    device = Device(world)
    world.now += 10000
    before = snapshot(world.cloud)
    for changes in ({"timestamp": 0}, {"timestamp": world.time() + 99000}, {"sequence_number": 1}):
        assert device.say("hello", {"boot_count": 9, "challenge": "cd" * 16, "results_kept": 8}, **changes) is None
        answer = world.cloud.take(world.time())
        assert opened(answer).params()["session"] is False
        assert device.say("hello", {"boot_count": 9, "challenge": "cd" * 16, "results_kept": 8}, **changes) is None
        assert world.cloud.take(world.time()) is None
        world.now += 5000
    after = snapshot(world.cloud)
    assert after[:5] == before[:5] and after[6:] == before[6:]


def test_a_stale_hello_that_is_ill_formed_gets_no_answer():
    world = ready()
    assert Device(world).say("hello", {}, timestamp=0) is None
    assert world.cloud.take(world.time()) is None


def test_a_strangers_hello_gets_no_answer():
    world = World()
    before = snapshot(world.cloud)
    for changes in ({}, {"timestamp": 0}):
        assert Device(world, b"\xcd" * 32).say("hello", {"challenge": "ab" * 16}, **changes) is None
    assert snapshot(world.cloud) == before


def test_an_ill_formed_hello_is_refused():
    for flaw in (
        {"challenge": None}, {"challenge": "ab" * 15}, {"challenge": 7}, {"challenge": "ab" * 40}, {"boot_count": None},
        {"boot_count": -1}, {"boot_count": True}, {"boot_count": "1"}, {"results_kept": 0}, {"results_kept": 1.5},
    ):  # fmt: skip
        world = World()
        before = snapshot(world.cloud)
        assert Device(world).hello(**flaw) is None
        assert world.cloud.refused == {"FRAME_SCHEMA_INVALID": 1} and snapshot(world.cloud) == before


def test_a_hello_in_bare_json_is_answered_in_bare_json():
    world = World()
    world.device.framed = False
    world.device.connected(world.now, world.time())
    world.pump()
    assert all(message[1][:1] == b"{" for message in world.wire)


def test_refused_messages_change_nothing_and_are_counted():
    world = ready()
    before = snapshot(world.cloud)
    good = Forger(world, first=9000).send("state", {"light": "on"}, "state", deliver=False)
    wrong = [good[1][:size] for size in range(0, len(good[1]), 9)]
    wrong += [good[1][:i] + bytes([good[1][i] ^ 4]) + good[1][i + 1 :] for i in range(0, len(good[1]), 11)]
    wrong += [b"", b"null", b"[" * 20000, b"\xff" * 30]
    for payload in wrong:
        if b'"tenant_id":"tenant-1"' in payload or len(payload) < 300:
            assert world.cloud.receive("state", payload, world.time()) is None
            assert snapshot(world.cloud) == before
    assert sum(world.cloud.refused.values()) > 50
    assert world.to_cloud(good).body == {"light": "on"}


def test_messages_out_of_order_are_taken_once_each():
    world = ready()
    device = Device(world)
    for number in (6003, 6001, 6002):
        assert device.say("telemetry", {"n": number}, sequence_number=number).type == "telemetry"
        assert device.say("telemetry", {"n": number}, sequence_number=number) is None
    assert world.cloud.refused["SEQUENCE_VIOLATION"] == 3


def test_an_old_device_without_tenant_is_understood():
    world = ready()
    message = Forger(world, first=9000).send("heartbeat", {}, "heartbeat", deliver=False)
    text = message[1][8:].replace(b'"tenant_id":"tenant-1",', b"")
    assert world.cloud.receive("heartbeat", text, world.time()).type == "heartbeat"


def test_a_command_waits_for_a_session():
    world = World()
    order = world.order()
    assert world.cloud.take(world.time()) is None and order.state == "queued"
    world.connect()
    assert order.state == "acknowledged"


def test_a_published_command_is_signed_again_with_the_same_id_and_backs_off():
    world = ready()
    order = world.order()
    seen = []
    for _ in range(300):
        message = world.cloud.take(world.time())
        if message:
            seen.append((world.now, opened(message)))
        world.wait(1000)
    assert order.attempts == len(seen) and order.state == "expired" and order.error == "OUTCOME_UNKNOWN"
    assert len({message.message_id for _, message in seen}) == 1
    assert len({message.nonce for _, message in seen}) == len(seen) == len({m.sequence for _, m in seen})
    gaps = [b[0] - a[0] for a, b in zip(seen, seen[1:])]
    assert gaps == [10000, 20000, 40000, 80000]


def test_an_unpublished_command_expires_without_doubt():
    world = World()
    order = world.order(life=1000)
    world.wait(999)
    assert order.state == "queued"
    world.wait(1)
    assert (order.state, order.error) == ("expired", None) and world.cloud.orders == []


def test_after_another_boot_a_published_command_has_an_unknown_outcome_and_an_unpublished_one_is_sent():
    world = ready()
    published = world.order("light_on", {"brightness": 1})
    world.cloud.take(world.time())
    world.cloud.results_kept = 1
    waiting = world.order("light_on", {"brightness": 2})
    world.device.disconnected(world.now)
    world.boot()
    world.wait(5000)
    world.connect()
    assert (published.state, published.error) == ("failed", "OUTCOME_UNKNOWN")
    assert waiting.state == "acknowledged" and world.lamp.done == [2]


def test_after_a_reconnect_of_the_same_boot_a_published_command_is_sent_at_once():
    world = ready()
    order = world.order()
    world.cloud.take(world.time())
    world.device.disconnected(world.now)
    world.connect()
    assert order.state == "acknowledged" and order.attempts == 2 and world.lamp.done == [100]


def test_no_more_commands_are_out_than_the_device_remembers():
    world = ready()
    orders = [world.order("light_on", {"brightness": n}) for n in range(20)]
    out = []
    message = world.cloud.take(world.time())
    while message:
        out.append(message)
        message = world.cloud.take(world.time())
    assert len(out) == 8 and [o.state for o in orders].count("queued") == 12
    for message in out[1:]:
        world.to_device(message)
    while True:
        up = world.device.take(world.now)
        if not up:
            break
        world.to_cloud(up)
    assert world.cloud.take(world.time()) is None  # the first is unsettled: nothing new may leave
    world.wait(10000)
    world.pump()
    assert [o.state for o in orders] == ["acknowledged"] * 20
    assert sorted(world.lamp.done) == list(range(20))


def test_too_many_waiting_commands_are_refused():
    world = World()
    for _ in range(256):
        world.order()
    assert raises(HxtpError, world.order).code == "BUFFER_OVERFLOW"


def test_an_ack_counts_only_for_a_published_command_of_this_device():
    world = ready()
    order = world.order()
    device = Device(world)
    for reference in (order.message_id, "other", None, ["x"]):
        assert device.say("ack", {"ack_status": "executed", "ref_message_id": reference}, "cmd_ack") is None
    assert order.state == "queued" and world.cloud.refused == {"TIMESTAMP_EXPIRED": 1, "COMMAND_INVALID": 4}
    other = Link("f" * 32, TENANT, [(Key(b"\xcd" * 32), Window())], Random(b"x"))
    world.cloud.take(world.time())
    ack = Forger(world, b"\xcd" * 32).send(
        "ack", {"ack_status": "executed", "ref_message_id": order.message_id}, "cmd_ack", deliver=False, device_id="f" * 32
    )
    assert other.receive(ack[0], ack[1], world.time()) is None and world.to_cloud(ack) is None
    assert order.state == "dispatched"


def test_a_nack_settles_with_the_code_of_the_device():
    world = ready()
    order = world.order("light_on", {"brightness": 500})
    world.pump()
    assert (order.state, order.error, order.result["member"]) == ("failed", "INVALID_PARAMS", "brightness")
    odd = world.order()
    world.cloud.take(world.time())
    Device(world).say("ack", {"ack_status": "failed", "ref_message_id": odd.message_id}, "cmd_ack")
    assert (odd.state, odd.error) == ("failed", "COMMAND_INVALID")


def test_everything_is_durable_before_it_leaves():
    world = World()
    kept = []
    world.cloud._commit = lambda link: kept.append((link.sent, link.boot_count, [o.boot_count for o in link.orders]))
    world.connect()
    world.order()
    assert kept[-1][2] == [None]
    message = world.cloud.take(world.time())
    assert kept[-1] == (opened(message).sequence, 1, [1])


def test_a_device_is_online_for_four_intervals():
    world = World()
    assert not world.cloud.online(world.time())
    world.connect()
    assert world.cloud.online(world.time() + 119999) and not world.cloud.online(world.time() + 120000)


def test_a_device_of_the_previous_secret_is_heard():
    slots = [(Key(b"\xcd" * 32), Window()), (Key(SECRET), Window())]
    world = World(slots=slots)
    assert Device(world).say("heartbeat", {}).type == "heartbeat"
    assert slots[1][1].highest == 5001 and slots[0][1].highest == 0


def test_other_messages_are_told_as_events():
    world = ready()
    device = Device(world)
    assert device.say("error", {"error": "INTERNAL_ERROR"}, "cmd_ack").type == "error"
    assert device.say("ota_status", {}, "ota_status").type == "ota_status"
    assert device.say("telemetry", {"t": 1}).body == {"t": 1}


def test_what_a_hello_ack_says_is_signed_for_the_one_device():
    world = World()
    Device(world).hello()
    message = world.cloud.take(world.time())
    stranger = envelope.Verifier(1, [(Key(SECRET), Window())], "f" * 32, TENANT, True)
    assert stranger.judge(message[1], world.time(), "cmd").code == "DEVICE_NOT_FOUND"
    assert jsontext.dumps(DEVICE) in message[1].decode()
