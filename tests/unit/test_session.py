"""The session of a device: hello and hello_ack, healing, commands once, what is sent when."""

from check import raises
from world import DEVICE, SECRET, TENANT, START, Random, World

from hxtp import envelope, frame, jsontext, session
from hxtp.errors import HxtpError
from hxtp.replay import Floor
from hxtp.session import HELLO_SENT, OFFLINE, READY, RENEWING, TRANSITIONS, UNANSWERED, Memory
from hxtp.sign import Key


def opened(message):
    """A message of the device as a cloud would read it, whatever its time and number."""
    judge = envelope.Verifier(15, [(Key(SECRET), Floor(-1))])
    judge.max_age = judge.max_future = 1 << 60
    read = judge.judge(message[1], START, message[0])
    assert read.code is None, read.code
    return read


class Forger:
    """Signs messages to the device as its cloud would, without being its Link."""

    def __init__(self, world, secret=SECRET, first=1000):
        self.world = world
        self.key = Key(secret)
        self.sequence = first
        self.random = Random(b"forger")

    def send(self, kind, body, channel="cmd", deliver=True, raw=None, **changes):
        self.sequence += 1
        message_id = session.uuid4(self.random(16))
        fields = {
            "message_type": kind,
            "device_id": DEVICE,
            "tenant_id": TENANT,
            "client_id": "cloud",
            "message_id": message_id,
            "request_id": message_id,
            "sequence_number": self.sequence,
            "timestamp": self.world.time(),
            "nonce": "%032x" % self.sequence,
        }
        fields.update(changes)
        text = raw or jsontext.dumps(body).encode()
        message = (channel, envelope.build(self.key, fields, text, changes.get("framed", True)))
        return self.world.to_device(message) if deliver else message

    def hello_ack(self, **changes):
        body = {
            "challenge": self.world.device._challenge,
            "last_cloud_sequence": self.sequence + 1,
            "last_device_sequence": 0,
            "server_time": self.world.time(),
            "session": True,
        }
        body.update(changes)
        return self.send("hello_ack", body)


def snapshot(device):
    """Everything about a session that a later message could observe."""
    floor = device._floor
    return (
        device.state, floor.last, tuple(floor.nonces), device._offset, device._challenge, device._heard, device._asked,
        device.framed, tuple(tuple(entry) for entry in device.results._ring), tuple(device.outbox.acks),
        device.outbox.state, tuple(device.outbox.samples), device._counter.last, device._manifest_wanted,
    )  # fmt: skip


def ready():
    world = World()
    world.connect()
    assert world.device.state == READY
    return world


# -- hello ----------------------------------------------------------------------------------------


def test_a_device_without_a_clock_gets_one_and_is_ready():
    world = World()
    events = world.connect()
    assert [event.type for event in events] == ["hello", "manifest", "state"]
    assert world.device.state == READY and world.device.serving()
    assert world.device.time(world.now) == world.time()


def test_a_device_with_a_good_clock_needs_one_hello():
    world = World()
    world.device.connected(world.now, world.time())
    world.pump()
    assert [opened(message).type for message in world.wire[:2]] == ["hello", "hello_ack"]
    assert world.cloud.refused == {} and world.device.state == READY


def test_hello_tells_who_the_device_is():
    world = World()
    world.device.connected(world.now)
    body = opened(world.device.take(world.now)).params()
    challenge = body.pop("challenge")
    manifest_hash = body.pop("manifest_hash")
    assert len(challenge) == 32 and len(manifest_hash) == 64
    assert body == {
        "boot_count": 1, "device_type": "lamp", "features": [], "firmware_version": "0.1.0",
        "key_version": 1, "reset_reason": "power", "results_kept": 8,
    }  # fmt: skip


def test_the_hash_in_hello_is_that_of_the_manifest_message():
    world = World()
    world.connect()
    manifest = [opened(m) for m in world.wire if m[0] == "manifest"][0]
    assert world.cloud.hello["manifest_hash"].encode() == manifest.payload_hash


def test_nothing_but_hello_is_sent_before_an_answer():
    world = World()
    world.device.report_state()
    world.device.telemetry({"t": 1}, world.now)
    assert world.device.take(world.now) is None
    world.device.connected(world.now)
    assert opened(world.device.take(world.now)).type == "hello"
    assert world.device.take(world.now) is None


def test_hello_is_repeated_with_its_challenge_and_given_up_after_a_minute():
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
    world = World()
    world.device.connected(world.now)
    first = opened(world.device.take(world.now)).params()["challenge"]
    world.device.disconnected(world.now)
    world.device.connected(world.now)
    assert opened(world.device.take(world.now)).params()["challenge"] != first


def test_the_clock_is_server_time_and_half_the_round_trip():
    world = World()
    world.device.connected(world.now)
    world.device.take(world.now)
    told = world.time()
    world.now += 3000
    Forger(world).hello_ack(server_time=told)
    assert world.device.time(world.now) == told + 1500


def test_the_round_trip_is_that_of_the_hello_that_was_answered():
    world = World()
    world.device.connected(world.now)
    world.device.take(world.now)
    world.wait(20000)
    second = opened(world.device.take(world.now))
    world.now += 1000
    Forger(world).hello_ack(server_time=world.time() - 500, ref_message_id=second.message_id)
    assert world.device.time(world.now) == world.time()


def test_only_the_outstanding_challenge_opens_a_session():
    for challenge in ("00" * 16, "", None, 7, [], "é" * 16):
        world = World()
        world.device.connected(world.now)
        world.device.take(world.now)
        before = snapshot(world.device)
        Forger(world).hello_ack(challenge=challenge)
        assert snapshot(world.device) == before


def test_an_answer_before_the_question_is_refused():
    world = World()
    world.device.connected(world.now)
    before = snapshot(world.device)
    Forger(world).hello_ack()
    assert snapshot(world.device) == before and world.device.refused == {"PROTOCOL_NOT_READY": 1}


def test_a_strangers_hello_ack_is_refused():
    world = World()
    world.device.connected(world.now)
    world.device.take(world.now)
    before = snapshot(world.device)
    Forger(world, b"\xcd" * 32).hello_ack()
    assert snapshot(world.device) == before


def test_an_ill_formed_hello_ack_is_refused():
    for name, value in (
        ("server_time", None), ("server_time", "1"), ("server_time", -1), ("server_time", True), ("server_time", 1.5),
        ("last_device_sequence", None), ("last_cloud_sequence", 1 << 60), ("session", None), ("session", 1),
    ):  # fmt: skip
        world = World()
        world.device.connected(world.now)
        world.device.take(world.now)
        before = snapshot(world.device)
        Forger(world).hello_ack(**{name: value})
        assert snapshot(world.device) == before and world.device.refused == {"FRAME_SCHEMA_INVALID": 1}


def test_a_hello_ack_works_once():
    world = ready()
    ack = [message for message in world.wire if opened(message).type == "hello_ack"][-1]
    before = snapshot(world.device)
    world.to_device(ack)
    assert snapshot(world.device) == before and world.device.refused == {"NONCE_REUSED": 1}


def test_a_second_answer_to_one_challenge_is_refused():
    world = World()
    world.device.connected(world.now)
    world.device.take(world.now)
    forger = Forger(world)
    challenge = world.device._challenge
    forger.hello_ack()
    before = snapshot(world.device)
    forger.hello_ack(challenge=challenge, session=False)
    assert snapshot(world.device) == before and world.device.refused == {"PROTOCOL_NOT_READY": 1}


def test_a_stale_counter_is_repaired():
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
    for told, bounds in (
        ({"limits": {"max_age_s": 30, "future_s": 5}, "heartbeat_interval": 45}, (30000, 5000, 45000)),
        ({"limits": {"max_age_s": 1, "future_s": 1}, "heartbeat_interval": 1}, (30000, 5000, 5000)),
        ({"limits": {"max_age_s": 9999, "future_s": 9999}, "heartbeat_interval": 999999}, (300000, 60000, 3600000)),
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


def test_the_first_valid_answer_is_remembered_in_flash():
    world = World()
    assert not world.memory.cloud_answers
    world.connect()
    assert world.memory.cloud_answers


# -- while it lasts -------------------------------------------------------------------------------


def test_a_device_says_hello_anew_after_ten_quiet_minutes():
    world = ready()
    world.wait(599999)
    assert world.device.state == READY
    world.wait(1)
    assert world.device.state == RENEWING and world.device.serving()
    world.pump()
    assert world.device.state == READY


def test_a_device_says_hello_anew_after_six_hours():
    world = ready()
    hellos = 0
    for _ in range(6 * 60 + 1):
        world.wait(60000)
        world.order()
        for event in world.pump():
            hellos += event.type == "hello"
    assert hellos == 1


def test_commands_are_served_while_a_session_is_renewed():
    world = ready()
    world.wait(600000)
    order = world.order()
    message = world.cloud.take(world.time())
    assert world.to_device(message) and world.device.state == RENEWING
    world.pump()
    assert order.state == "acknowledged" and world.lamp.done == [100]


def test_a_renewal_without_answer_ends_the_connection():
    world = ready()
    world.wait(600000)
    assert world.wait(60000) == "reconnect" and world.device.state == OFFLINE


def test_a_renewal_can_repair():
    world = ready()
    world.wait(600000)
    world.device.take(world.now)
    Forger(world).hello_ack(session=False, server_time=world.time() + 7000)
    assert world.device.state == RENEWING and world.device.time(world.now) == world.time() + 7000


def test_an_authentic_message_out_of_time_or_order_makes_the_device_ask_once_a_minute():
    world = ready()
    forger = Forger(world, first=0)
    world.wait(59999)
    forger.send("command", {"action": "light_on"}, sequence_number=1)
    assert world.device.state == READY
    world.wait(1)
    forger.send("command", {"action": "light_on"}, sequence_number=1)
    assert world.device.state == RENEWING
    forger.send("command", {"action": "light_on"}, sequence_number=1)
    world.pump()
    forger.send("command", {"action": "light_on"}, timestamp=START - 400000)
    assert world.device.state == READY and world.lamp.done == []


def test_a_strangers_stale_message_makes_nobody_ask():
    world = ready()
    world.wait(100000)
    Forger(world, b"\xcd" * 32).send("command", {"action": "light_on"}, timestamp=1)
    assert world.device.state == READY


# -- commands -------------------------------------------------------------------------------------


def test_a_command_is_executed_and_acknowledged():
    world = ready()
    order = world.order("light_on", {"brightness": 80})
    world.pump()
    assert world.lamp.done == [80] and order.state == "acknowledged"
    assert order.result == {"ack_status": "executed", "ref_message_id": order.message_id}


def test_commands_are_refused_before_a_session():
    world = World()
    forger = Forger(world)
    forger.send("command", {"action": "light_on"})
    assert world.device.refused == {"PROTOCOL_NOT_READY": 1}
    world.device.connected(world.now, world.time())
    before = snapshot(world.device)
    forger.send("command", {"action": "light_on"})
    assert world.device.refused == {"PROTOCOL_NOT_READY": 1, "TIMESTAMP_FUTURE": 1}
    assert world.lamp.done == [] and snapshot(world.device) == before
    world.device.set_clock(world.time(), world.now)
    forger.send("command", {"action": "light_on"})
    assert world.device.refused["PROTOCOL_NOT_READY"] == 2 and world.lamp.done == []


def test_commands_of_before_the_session_are_refused():
    world = World()
    forger = Forger(world, first=0)
    early = forger.send("command", {"action": "light_on"}, deliver=False)
    world.cloud.sent = 10
    world.connect()
    assert world.to_device(early) is None and world.lamp.done == []


def test_a_command_signed_again_is_answered_by_its_result_and_runs_once():
    world = ready()
    order = world.order("light_on", {"brightness": 7})
    world.to_device(world.cloud.take(world.time()))
    world.device.take(world.now)  # the ack is lost
    world.wait(10000)
    world.pump()
    assert world.lamp.done == [7] and order.state == "acknowledged" and order.attempts == 2


def test_a_byte_identical_replay_is_unanswered():
    world = ready()
    world.order()
    world.pump()
    before = snapshot(world.device)
    command = [message for message in world.wire if opened(message).type == "command"][-1]
    world.to_device(command)
    assert world.device.refused == {"NONCE_REUSED": 1} and snapshot(world.device) == before
    assert world.device.take(world.now) is None


def test_a_replay_older_than_sixteen_messages_is_a_sequence_violation():
    world = ready()
    world.order()
    world.pump()
    command = [message for message in world.wire if opened(message).type == "command"][-1]
    for _ in range(17):
        world.order("light_off")
        world.pump()
    world.to_device(command)
    assert world.device.refused == {"SEQUENCE_VIOLATION": 1} and world.lamp.done.count(100) == 1


def test_the_same_message_id_with_another_body_is_refused_and_nothing_runs():
    world = ready()
    order = world.order()
    world.pump()
    Forger(world).send("command", {"action": "light_off"}, message_id=order.message_id)
    assert opened(world.device.take(world.now)).params() == {
        "ack_status": "failed", "error": "COMMAND_INVALID", "ref_message_id": order.message_id,
    }  # fmt: skip
    assert world.lamp.done == [100]
    # The stored result is still the first one.
    Forger(world, first=2000).send("command", {"action": "light_on"}, message_id=order.message_id)
    assert opened(world.device.take(world.now)).params()["ack_status"] == "executed"


def test_a_command_that_still_runs_is_not_answered_twice():
    world = ready()
    forger = Forger(world)
    message = forger.send("command", {"action": "light_on"}, message_id="one", deliver=False)
    command = world.device.receive(message[0], message[1], world.now)
    again = forger.send("command", {"action": "light_on"}, message_id="one", deliver=False)
    assert world.device.receive(again[0], again[1], world.now) is None
    assert world.device.take(world.now) is None
    world.device.finish(command, {"ack_status": "executed"})
    assert opened(world.device.take(world.now)).params()["ref_message_id"] == "one"


def test_a_result_outlives_a_new_session_of_the_same_boot():
    world = ready()
    order = world.order()
    world.to_device(world.cloud.take(world.time()))
    world.device.disconnected(world.now)
    world.connect()
    assert order.state == "acknowledged" and world.lamp.done == [100]


def test_a_long_forgotten_command_still_gets_its_late_ack():
    world = ready()
    forger = Forger(world)
    message = forger.send("command", {"action": "light_on"}, message_id="slow", deliver=False)
    slow = world.device.receive(message[0], message[1], world.now)
    for _ in range(9):
        forger.send("command", {"action": "light_off"})
    world.device.finish(slow, {"ack_status": "executed"})
    assert len(world.device.outbox.acks) == 10


def test_acks_that_cannot_leave_are_bounded():
    world = ready()
    forger = Forger(world)
    for _ in range(40):
        forger.send("command", {"action": "light_off"})
    assert len(world.device.outbox.acks) == 16


def test_a_command_without_a_signed_action_is_refused_with_a_nack():
    world = ready()
    for body, top in (({}, None), ({}, "light_on"), ({"action": "light_off"}, "light_on"), ({"action": 5}, None)):
        more = {} if top is None else {"action": top}
        Forger(world, first=world.now).send("command", body, **more)
        world.now += 10
        assert opened(world.device.take(world.now)).params()["error"] == "COMMAND_INVALID"
    assert world.lamp.done == []


def test_an_unsigned_action_works_only_under_the_setting_named_for_it():
    world = ready()
    world.device.accept_unsigned_action = True
    Forger(world).send("command", {"brightness": 3}, action="light_on")
    assert world.lamp.done == [3]


def test_a_nack_is_repeated_too():
    world = ready()
    forger = Forger(world)
    for _ in range(2):
        forger.send("command", {}, message_id="bad")
        assert opened(world.device.take(world.now)).params()["error"] == "COMMAND_INVALID"


def test_retained_commands_are_ignored():
    world = ready()
    world.order()
    message = world.cloud.take(world.time())
    before = snapshot(world.device)
    world.to_device(message, True)
    assert world.lamp.done == [] and snapshot(world.device) == before


def test_what_is_not_a_command_runs_nothing():
    world = ready()
    before = snapshot(world.device)
    forger = Forger(world)
    forger.send("ota", {}, "ota")
    forger.send("hello_ack", {})
    forger.send("state", {"action": "light_on"})
    assert world.device.refused == {"UNKNOWN_ACTION": 1, "PROTOCOL_NOT_READY": 1, "FRAME_TYPE_INVALID": 1}
    assert snapshot(world.device) == before and world.lamp.done == []


def test_refused_messages_leave_the_state_as_it_was_and_get_no_answer():
    world = ready()
    world.wait(70000)
    # Without a top-level action: nobody signs that one, and a receiver ignores what it does not know.
    good = Forger(world).send("command", {"action": "light_on", "brightness": 50}, deliver=False)
    before = snapshot(world.device)
    wrong = [good[1][:size] for size in range(0, len(good[1]), 7)]
    wrong += [good[1][:i] + bytes([good[1][i] ^ 4]) + good[1][i + 1 :] for i in range(0, len(good[1]), 5)]
    wrong += [b"", b"null", b"[" * 20000, b"HX", b"\xff" * 30, b'{"a":"\\ud800"}', b"{" * 16384]
    for payload in wrong:
        assert world.device.receive("cmd", payload, world.now) is None
        assert snapshot(world.device) == before
    world.to_device(good)
    assert world.lamp.done == [50]


def test_memory_that_runs_out_while_a_body_is_read_is_a_refusal():
    world = ready()

    class Greedy:
        code = None
        type = "command"
        authentic = True

        def params(self):
            raise MemoryError

    world.device._verifier.judge = lambda payload, time, channel: Greedy()
    before = snapshot(world.device)
    assert world.device.receive("cmd", b"{}", world.now) is None
    assert world.device.refused == {"BUFFER_OVERFLOW": 1} and snapshot(world.device) == before


# -- what is sent ---------------------------------------------------------------------------------


def test_heartbeats_come_at_the_interval():
    world = ready()
    beats = 0
    for _ in range(100):
        world.wait(3000)
        for event in world.pump():
            beats += event.type == "heartbeat"
    assert beats == 10


def test_state_is_coalesced():
    world = ready()
    for _ in range(50):
        world.device.report_state()
    assert [event.type for event in world.pump()] == ["state"]


def test_telemetry_waits_for_a_session_with_the_time_of_its_sample():
    world = World()
    for n in range(40):
        world.device.telemetry({"n": n}, world.now)
        world.now += 1000
    events = [event for event in world.connect() if event.type == "telemetry"]
    assert len(events) == 32
    assert events[0].body == {"n": 8, "dropped": 8, "sampled_at": START + 5000 + 8000}
    assert events[1].body == {"n": 9, "sampled_at": START + 5000 + 9000}


def test_the_form_of_the_first_authentic_message_is_answered():
    world = World()
    world.device.connected(world.now, world.time())
    assert world.device.take(world.now)[1][:2] == b"HX"
    forger = Forger(world)
    body = {
        "challenge": world.device._challenge, "last_cloud_sequence": 1001, "last_device_sequence": 0,
        "server_time": world.time(), "session": True,
    }  # fmt: skip
    message = forger.send("hello_ack", body, deliver=False)
    world.to_device((message[0], message[1][8:]))
    assert world.device.take(world.now)[1][:1] == b"{"
    forger.send("command", {"action": "light_on"})  # framed, but not the first
    assert world.device.take(world.now)[1][:1] == b"{"


def test_message_ids_are_version_four_uuids():
    world = ready()
    for message in world.wire:
        a, b, c, d, e = opened(message).message_id.split("-")
        assert [len(part) for part in (a, b, c, d, e)] == [8, 4, 4, 4, 12]
        assert c[0] == "4" and d[0] in "89ab"


def test_a_device_never_uses_a_number_twice_over_reboots():
    world = World()
    seen = set()
    for _ in range(6):
        world.connect()
        world.order()
        world.pump()
        world.device.disconnected(world.now)
        world.boot()
    for message in world.wire:
        if message[0] != "cmd":
            number = opened(message).sequence
            assert number not in seen
            seen.add(number)


# -- a cloud that never answers hello -------------------------------------------------------------


def silent(memory, allowed=True, clock=True):
    world = World(memory=memory)
    world.device.serve_cloud_without_hello_ack = allowed
    if clock:
        world.device.set_clock(world.time(), world.now)
    world.device.connected(world.now)
    world.device.take(world.now)
    return world, world.wait(60000)


def test_a_silent_cloud_is_served_only_under_its_setting_with_a_clock_and_if_it_never_answered():
    assert silent(Memory(), allowed=False)[1] == "reconnect"
    assert silent(Memory(), clock=False)[1] == "reconnect"
    answered = Memory()
    answered.save_cloud_answers()
    assert silent(answered)[1] == "reconnect"
    world, said = silent(Memory())
    assert said is None and world.device.state == UNANSWERED and world.device.serving()


def test_under_a_silent_cloud_the_floor_is_in_flash_before_a_command_runs():
    memory = Memory()
    world, _ = silent(memory)
    forger = Forger(world)
    forger.send("command", {"action": "light_on"})
    assert world.lamp.done == [100] and memory.floor == forger.sequence
    old = forger.sequence
    world.boot()
    world.device.serve_cloud_without_hello_ack = True
    world.device.set_clock(world.time(), world.now)
    world.device.connected(world.now)
    world.wait(60000)
    forger.send("command", {"action": "light_on"}, sequence_number=old, nonce="77" * 16)
    assert world.lamp.done == [100]


def test_under_a_silent_cloud_hello_goes_on():
    world, _ = silent(Memory())
    world.wait(600000)
    assert world.device.state == UNANSWERED
    assert opened(world.device.take(world.now)).type == "hello"
    world.wait(60000)
    assert world.device.state == UNANSWERED
    world.wait(600000)
    world.device.take(world.now)
    Forger(world).hello_ack(session=False)
    assert world.device.state == UNANSWERED
    world.device.take(world.now)
    Forger(world).hello_ack()
    assert world.device.state == READY and world.memory.cloud_answers


# -- the table ------------------------------------------------------------------------------------


def test_every_state_can_be_left_and_every_transition_has_its_method():
    states = set(state for state, event in TRANSITIONS)
    assert states == set((OFFLINE, HELLO_SENT, READY, RENEWING, UNANSWERED))
    for state, event in TRANSITIONS:
        after, action = TRANSITIONS[(state, event)]
        assert after in states and hasattr(session.Session, "_" + action)
        assert event == "connected" or (state, "disconnected") in TRANSITIONS


def test_disconnecting_ends_every_state():
    world = World()
    world.device.disconnected(world.now)
    world.device.connected(world.now)
    world.device.disconnected(world.now)
    assert world.device.state == OFFLINE
    world.connect()
    world.wait(600000)
    world.device.disconnected(world.now)
    assert world.device.state == OFFLINE and world.device.tick(world.now) is None
    world, _ = silent(Memory())
    world.device.disconnected(world.now)
    assert world.device.state == OFFLINE


def test_an_error_of_the_family_carries_code_and_detail():
    error = HxtpError("INVALID_PARAMS", "brightness")
    assert (error.code, error.detail) == ("INVALID_PARAMS", "brightness")
    assert raises(HxtpError, frame.open_frame, b"").detail == ""
