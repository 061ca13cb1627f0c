"""Hello and hello_ack: how a device gets a session, a clock and its numbers."""

from world import Forger, World, device_snapshot, opened, ready

from hxtp.session import OFFLINE, READY


def test_a_device_without_a_clock_gets_one_and_is_ready():
    # HX3-SESS-15, HX3-SESS-24
    world = World()
    events = world.connect()
    assert [event.type for event in events] == ["hello", "manifest", "state"]
    assert world.device.state == READY and world.device.serving()
    assert world.device.time(world.now) == world.time()


def test_a_device_with_a_good_clock_needs_one_hello():
    # HX3-SESS-07
    world = World()
    world.device.connected(world.now, world.time())
    world.pump()
    assert [opened(message).type for message in world.wire[:2]] == ["hello", "hello_ack"]
    assert world.cloud.refused == {} and world.device.state == READY


def test_hello_tells_who_the_device_is():
    # HX3-SESS-02
    world = World()
    world.device.connected(world.now)
    body = opened(world.device.take(world.now)).params()
    challenge = body.pop("challenge")
    manifest_hash = body.pop("manifest_hash")
    assert len(challenge) == 32 and len(manifest_hash) == 64
    assert body == {
        "boot_count": 1,
        "device_type": "lamp",
        "features": [],
        "firmware_version": "0.1.0",
        "key_version": 1,
        "reset_reason": "power",
        "results_kept": 8,
    }


def test_the_hash_in_hello_is_that_of_the_manifest_message():
    # HX3-MAN-02
    world = World()
    world.connect()
    manifest = next(opened(m) for m in world.wire if m[0] == "manifest")
    assert world.cloud.hello["manifest_hash"].encode() == manifest.payload_hash


def test_nothing_but_hello_is_sent_before_an_answer():
    # HX3-SESS-01
    world = World()
    world.device.report_state()
    world.device.telemetry({"t": 1}, world.now)
    assert world.device.take(world.now) is None
    world.device.connected(world.now)
    assert opened(world.device.take(world.now)).type == "hello"
    assert world.device.take(world.now) is None


def test_hello_is_repeated_with_its_challenge_and_given_up_after_a_minute():
    # HX3-SESS-03, HX3-SESS-04, HX3-SESS-05
    world = World()
    world.device.connected(world.now)
    first = opened(world.device.take(world.now))
    seen = [first.sequence]
    for _ in range(11):
        assert world.wait(5000) is None
        again = opened(world.device.take(world.now))
        assert again.params()["challenge"] == first.params()["challenge"]
        assert again.nonce != first.nonce and again.message_id != first.message_id
        assert world.device.take(world.now) is None
        seen.append(again.sequence)
    assert seen == sorted(set(seen))
    assert world.wait(5000) == "reconnect" and world.device.state == OFFLINE


def test_a_new_attempt_has_a_new_challenge():
    # HX3-SESS-03
    world = World()
    world.device.connected(world.now)
    first = opened(world.device.take(world.now)).params()["challenge"]
    world.device.disconnected(world.now)
    world.device.connected(world.now)
    assert opened(world.device.take(world.now)).params()["challenge"] != first


def test_the_clock_is_server_time_and_half_the_round_trip():
    # HX3-SESS-17
    world = World()
    world.device.connected(world.now)
    world.device.take(world.now)
    told = world.time()
    world.now += 3000
    Forger(world).hello_ack(server_time=told)
    assert world.device.time(world.now) == told + 1500


def test_the_round_trip_is_that_of_the_hello_that_was_answered():
    # HX3-SESS-17
    world = World()
    world.device.connected(world.now)
    world.device.take(world.now)
    world.wait(20000)
    second = opened(world.device.take(world.now))
    world.now += 1000
    Forger(world).hello_ack(server_time=world.time() - 500, ref_message_id=second.message_id)
    assert world.device.time(world.now) == world.time()


def test_only_the_outstanding_challenge_opens_a_session():
    # HX3-SESS-15
    for challenge in ("00" * 16, "", None, 7, [], "é" * 16):
        world = World()
        world.device.connected(world.now)
        world.device.take(world.now)
        before = device_snapshot(world.device)
        Forger(world).hello_ack(challenge=challenge)
        assert device_snapshot(world.device) == before


def test_an_answer_before_the_question_is_refused():
    # HX3-SESS-15
    world = World()
    world.device.connected(world.now)
    before = device_snapshot(world.device)
    Forger(world).hello_ack()
    assert device_snapshot(world.device) == before and world.device.refused == {"PROTOCOL_NOT_READY": 1}


def test_a_strangers_hello_ack_is_refused():
    # HX3-SESS-15
    world = World()
    world.device.connected(world.now)
    world.device.take(world.now)
    before = device_snapshot(world.device)
    Forger(world, b"\xcd" * 32).hello_ack()
    assert device_snapshot(world.device) == before


def test_an_ill_formed_hello_ack_is_refused():
    # HX3-SESS-16
    for name, value in (
        ("server_time", None),
        ("server_time", "1"),
        ("server_time", -1),
        ("server_time", True),
        ("server_time", 1.5),
        ("last_device_sequence", None),
        ("last_cloud_sequence", 1 << 60),
        ("session", None),
        ("session", 1),
    ):
        world = World()
        world.device.connected(world.now)
        world.device.take(world.now)
        before = device_snapshot(world.device)
        Forger(world).hello_ack(**{name: value})
        assert device_snapshot(world.device) == before and world.device.refused == {"FRAME_SCHEMA_INVALID": 1}


def test_a_hello_ack_works_once():
    # HX3-SESS-06
    world = ready()
    ack = [message for message in world.wire if opened(message).type == "hello_ack"][-1]
    before = device_snapshot(world.device)
    world.to_device(ack)
    assert device_snapshot(world.device) == before and world.device.refused == {"NONCE_REUSED": 1}


def test_a_second_answer_to_one_challenge_is_refused():
    # HX3-SESS-06
    world = World()
    world.device.connected(world.now)
    world.device.take(world.now)
    forger = Forger(world)
    challenge = world.device._challenge
    forger.hello_ack()
    before = device_snapshot(world.device)
    forger.hello_ack(challenge=challenge, session=False)
    assert device_snapshot(world.device) == before and world.device.refused == {"PROTOCOL_NOT_READY": 1}


def test_a_stale_counter_is_repaired():
    # HX3-SESS-18
    world = ready()
    for _ in range(200):
        world.device.report_state()
        world.pump()
    world.reserved = 0  # the flash lost it
    world.device.disconnected(world.now)
    world.boot()
    world.wait(5000)
    world.connect()
    assert world.device.state == READY
    assert world.device._counter.last > 200


def test_a_cloud_that_says_no_again_and_again_is_not_hammered():
    # HX3-SESS-23
    world = World()
    world.device.connected(world.now)
    hellos = 0
    forger = Forger(world)
    for _ in range(600):
        if world.device.take(world.now):
            hellos += 1
            forger.hello_ack(session=False)
        world.wait(100)
    assert 3 <= hellos <= 14


def test_limits_interval_and_wishes_come_from_hello_ack_within_bounds():
    # HX3-SESS-20, HX3-VAL-06
    for told, bounds in (
        ({"limits": {"max_age_s": 30, "future_s": 5}, "heartbeat_interval": 45}, (30000, 5000, 45000)),
        ({"limits": {"max_age_s": 1, "future_s": 1}, "heartbeat_interval": 1}, (30000, 5000, 5000)),
        (
            {"limits": {"max_age_s": 9999, "future_s": 9999}, "heartbeat_interval": 999999},
            (300000, 60000, 3600000),
        ),
        ({"limits": {"max_age_s": "x"}, "heartbeat_interval": True}, (300000, 60000, 30000)),
        ({"limits": [], "heartbeat_interval": None}, (300000, 60000, 30000)),
        ({}, (300000, 60000, 30000)),
    ):
        world = World()
        world.device.connected(world.now)
        world.device.take(world.now)
        Forger(world).hello_ack(**told)
        verifier = world.device._verifier
        assert (verifier.max_age, verifier.max_future, world.device.heartbeat) == bounds


def test_the_first_valid_answer_is_remembered_in_flash_whatever_it_says():
    # HX3-SESS-30
    for session in (True, False):
        world = World()
        world.device.connected(world.now)
        world.device.take(world.now)
        assert not world.memory.cloud_answers
        Forger(world).hello_ack(session=session)
        assert world.memory.cloud_answers
