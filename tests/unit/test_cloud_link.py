"""The cloud's end of one device: what it hears, answers and refuses."""

from world import DEVICE, SECRET, TENANT, Forger, Sayer, World, damaged, link_snapshot, opened, ready

from hxtp import envelope, jsontext
from hxtp.sign import Key
from hxtp.window import Window


def test_a_hello_is_answered_with_numbers_time_and_wishes():
    # HX3-SESS-10, HX3-SESS-11, HX3-SESS-14
    world = World()
    Sayer(world).hello()
    answer = opened(world.cloud.take(world.time())).params()
    reference = answer.pop("ref_message_id")
    assert len(reference) == 36
    assert answer == {
        "challenge": "ab" * 16,
        "features": [],
        "heartbeat_interval": 30,
        "last_cloud_sequence": 1,
        "last_device_sequence": 5001,
        "limits": {"future_s": 60, "max_age_s": 300},
        "manifest_wanted": True,
        "server_time": world.time(),
        "session": True,
    }


def test_tighter_limits_are_told_and_hold():
    world = World()
    world.cloud.limit(30, 5)
    sayer = Sayer(world)
    sayer.hello()
    answer = opened(world.cloud.take(world.time())).params()
    assert answer["limits"] == {"future_s": 5, "max_age_s": 30}
    for off, taken in ((-30000, True), (-30001, False), (5000, True), (5001, False)):
        event = sayer.say("heartbeat", {}, timestamp=world.time() + off)
        assert (event is not None) == taken
    assert world.cloud.refused == {"TIMESTAMP_EXPIRED": 1, "TIMESTAMP_FUTURE": 1}


def test_a_known_manifest_is_not_wanted_again():
    # HX3-SESS-21
    world = ready()
    assert world.cloud.manifest["capabilities"][0]["action"] == "light_off"
    world.device.disconnected(world.now)
    assert [event.type for event in world.connect()] == ["hello", "state"]


def test_a_new_manifest_is_wanted():
    # HX3-MAN-04
    world = ready()
    Sayer(world).hello()
    assert opened(world.cloud.take(world.time())).params()["manifest_wanted"] is True
    assert world.cloud.manifest is None


def test_a_manifest_that_is_not_the_one_of_hello_is_refused():
    # HX3-MAN-03, HX3-VAL-18
    world = ready()
    assert Sayer(world).say("manifest", {"capabilities": []}) is None
    assert world.cloud.refused["HASH_MISMATCH"] == 1 and world.cloud.manifest["capabilities"]


def test_a_stale_hello_is_answered_once_in_five_seconds_and_starts_nothing():
    # HX3-SESS-24, HX3-SESS-25
    world = ready()
    device = Sayer(world)
    world.now += 10000
    before = link_snapshot(world.cloud)
    for changes in ({"timestamp": 0}, {"timestamp": world.time() + 99000}, {"sequence_number": 0}):
        assert (
            device.say("hello", {"boot_count": 9, "challenge": "cd" * 16, "results_kept": 8}, **changes)
            is None
        )
        answer = world.cloud.take(world.time())
        assert opened(answer).params()["session"] is False
        assert (
            device.say("hello", {"boot_count": 9, "challenge": "cd" * 16, "results_kept": 8}, **changes)
            is None
        )
        assert world.cloud.take(world.time()) is None
        world.now += 5000
    after = link_snapshot(world.cloud)
    assert after[:5] == before[:5] and after[6:] == before[6:]


def test_a_stale_hello_that_is_ill_formed_gets_no_answer():
    # HX3-SESS-24
    world = ready()
    world.now += 10000
    assert Sayer(world).say("hello", {}, timestamp=0) is None
    assert world.cloud.take(world.time()) is None


def test_a_strangers_hello_gets_no_answer():
    # HX3-VAL-13
    world = World()
    before = link_snapshot(world.cloud)
    for changes in ({}, {"timestamp": 0}):
        assert Sayer(world, b"\xcd" * 32).say("hello", {"challenge": "ab" * 16}, **changes) is None
    assert link_snapshot(world.cloud) == before


def test_an_ill_formed_hello_is_refused():
    # HX3-SESS-08, HX3-VAL-18
    for flaw in (
        {"challenge": None},
        {"challenge": "ab" * 15},
        {"challenge": 7},
        {"challenge": "ab" * 40},
        {"boot_count": None},
        {"boot_count": -1},
        {"boot_count": True},
        {"boot_count": "1"},
        {"results_kept": 0},
        {"results_kept": 1.5},
    ):
        world = World()
        before = link_snapshot(world.cloud)
        assert Sayer(world).hello(**flaw) is None
        assert world.cloud.refused == {"FRAME_SCHEMA_INVALID": 1} and link_snapshot(world.cloud) == before


def test_a_hello_in_bare_json_is_answered_in_bare_json():
    # HX3-WIRE-07
    world = World()
    world.device.framed = False
    world.device.connected(world.now, world.time())
    world.pump()
    assert all(message[1][:1] == b"{" for message in world.wire)


def test_refused_messages_change_nothing_and_are_counted():
    # HX3-VAL-11, HX3-VAL-15
    world = ready()
    before = link_snapshot(world.cloud)
    good = Forger(world, first=9000).send("state", {"light": "on"}, "state", deliver=False)
    for payload in damaged(good[1], 9):
        if b'"tenant_id":"tenant-1"' in payload or len(payload) < 300:
            assert world.cloud.receive("state", payload, world.time()) is None
            assert link_snapshot(world.cloud) == before
    assert sum(world.cloud.refused.values()) > 50
    assert world.to_cloud(good).body == {"light": "on"}


def test_a_number_that_no_double_holds_is_refused():
    # HX3-VAL-18
    world = ready()
    before = link_snapshot(world.cloud)
    for raw in (b'{"a":1e999}', b'{"a":[{"b":-1e999}]}'):
        message = Forger(world, first=9000).send("state", {}, "state", deliver=False, raw=raw)
        assert world.to_cloud(message) is None and world.cloud.refusal == "FRAME_SCHEMA_INVALID"
    assert link_snapshot(world.cloud) == before
    good = Forger(world, first=9000).send("state", {"a": [1.5, {"b": 1}]}, "state", deliver=False)
    assert world.to_cloud(good) and world.cloud.refusal is None


def test_messages_out_of_order_are_taken_once_each():
    # HX3-SEQ-04
    world = ready()
    device = Sayer(world)
    for number in (6003, 6001, 6002):
        assert device.say("telemetry", {"n": number}, sequence_number=number).type == "telemetry"
        assert device.say("telemetry", {"n": number}, sequence_number=number) is None
    assert world.cloud.refused["SEQUENCE_VIOLATION"] == 3


def test_an_old_device_without_tenant_is_understood():
    # HX3-WIRE-25
    world = ready()
    message = Forger(world, first=9000).send("heartbeat", {}, "heartbeat", deliver=False)
    text = message[1][8:].replace(b'"tenant_id":"tenant-1",', b"")
    assert world.cloud.receive("heartbeat", text, world.time()).type == "heartbeat"


def test_a_device_is_online_for_four_intervals():
    # HX3-PRES-02
    world = World()
    assert not world.cloud.online(world.time())
    world.connect()
    assert world.cloud.online(world.time() + 119999) and not world.cloud.online(world.time() + 120000)


def test_a_device_of_the_previous_secret_is_heard():
    # HX3-KEY-09, HX3-SEQ-09
    slots = [(Key(b"\xcd" * 32), Window()), (Key(SECRET), Window())]
    world = World(slots=slots)
    assert Sayer(world).say("heartbeat", {}).type == "heartbeat"
    assert slots[1][1].highest == 5001 and slots[0][1].highest == 0


def test_other_messages_are_told_as_events():
    # HX3-STATE-10
    world = ready()
    device = Sayer(world)
    assert device.say("error", {"error": "INTERNAL_ERROR"}, "cmd_ack").type == "error"
    assert device.say("ota_status", {}, "ota_status").type == "ota_status"
    assert device.say("telemetry", {"t": 1}).body == {"t": 1}


def test_what_a_hello_ack_says_is_signed_for_the_one_device():
    # HX3-VAL-10
    world = World()
    Sayer(world).hello()
    message = world.cloud.take(world.time())
    stranger = envelope.Verifier(1, [(Key(SECRET), Window())], "f" * 32, TENANT, True)
    assert stranger.judge(message[1], world.time(), "cmd").code == "DEVICE_NOT_FOUND"
    assert jsontext.dumps(DEVICE) in message[1].decode()
