"""Commands at a device: executed once, answered, refused without a trace."""

from world import Forger, World, damaged, device_snapshot, opened, ready


def test_a_command_is_executed_and_acknowledged():
    # HX3-CMD-07
    world = ready()
    order = world.order("light_on", {"brightness": 80})
    world.pump()
    assert world.lamp.done == [80] and order.state == "acknowledged"
    assert order.result == {"ack_status": "executed", "ref_message_id": order.message_id}


def test_commands_are_refused_before_a_session():
    # HX3-SESS-22, HX3-VAL-20
    world = World()
    forger = Forger(world)
    forger.send("command", {"action": "light_on"})
    assert world.device.refused == {"PROTOCOL_NOT_READY": 1}
    world.device.connected(world.now, world.time())
    before = device_snapshot(world.device)
    forger.send("command", {"action": "light_on"})
    assert world.device.refused == {"PROTOCOL_NOT_READY": 1, "TIMESTAMP_FUTURE": 1}
    assert world.lamp.done == [] and device_snapshot(world.device) == before
    world.device.set_clock(world.time(), world.now)
    forger.send("command", {"action": "light_on"})
    assert world.device.refused["PROTOCOL_NOT_READY"] == 2 and world.lamp.done == []


def test_commands_of_before_the_session_are_refused():
    # HX3-SESS-11, HX3-SESS-19
    world = World()
    forger = Forger(world, first=0)
    early = forger.send("command", {"action": "light_on"}, deliver=False)
    world.cloud.sent = 10
    world.connect()
    assert world.to_device(early) is None and world.lamp.done == []


def test_a_command_signed_again_is_answered_by_its_result_and_runs_once():
    # HX3-CMD-11
    world = ready()
    order = world.order("light_on", {"brightness": 7})
    world.to_device(world.cloud.take(world.time()))
    world.device.take(world.now)  # the ack is lost
    world.wait(10000)
    world.pump()
    assert world.lamp.done == [7] and order.state == "acknowledged" and order.attempts == 2


def test_a_dry_run_that_is_signed_again_is_answered_by_its_result():
    # HX3-CMD-11, HX3-CMD-29
    world = ready()
    order = world.order("light_on", {"brightness": 7, "dry_run": True})
    world.to_device(world.cloud.take(world.time()))
    world.device.take(world.now)  # the ack is lost
    world.wait(10000)
    world.pump()
    assert world.lamp.done == [] and order.state == "acknowledged" and order.attempts == 2
    assert order.result == {"ack_status": "dry_run", "ref_message_id": order.message_id}


def test_a_byte_identical_replay_is_unanswered():
    # HX3-SEQ-03, HX3-VAL-13
    world = ready()
    world.order()
    world.pump()
    before = device_snapshot(world.device)
    command = [message for message in world.wire if opened(message).type == "command"][-1]
    world.to_device(command)
    assert world.device.refused == {"NONCE_REUSED": 1} and device_snapshot(world.device) == before
    assert world.device.refusal == "NONCE_REUSED"
    assert world.device.take(world.now) is None


def test_a_replay_older_than_sixteen_messages_is_a_sequence_violation():
    # HX3-SEQ-03
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
    # HX3-CMD-12
    world = ready()
    order = world.order()
    world.pump()
    Forger(world).send("command", {"action": "light_off"}, message_id=order.message_id)
    assert opened(world.device.take(world.now)).params() == {
        "ack_status": "failed",
        "error": "COMMAND_INVALID",
        "ref_message_id": order.message_id,
    }
    assert world.lamp.done == [100]
    # The stored result is still the first one.
    Forger(world, first=2000).send("command", {"action": "light_on"}, message_id=order.message_id)
    assert opened(world.device.take(world.now)).params()["ack_status"] == "executed"


def test_a_command_that_still_runs_is_not_answered_twice():
    # HX3-CMD-10, HX3-CMD-13
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
    # HX3-CMD-09
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
    for _ in range(15):
        forger.send("command", {"action": "light_off"})
    world.device.finish(slow, {"ack_status": "executed"})
    assert len(world.device.outbox.acks) == 16


def test_commands_that_were_overtaken_push_no_result_out():
    world = ready()
    orders = [world.order("light_on", {"brightness": n}) for n in range(9)]
    first = [world.cloud.take(world.time()) for _ in range(8)]
    for message in first[1:]:  # the first command is lost, the other seven run
        world.to_device(message)
    acks = [world.device.take(world.now) for _ in range(7)]
    for ack in acks[1:]:  # the ack of the second is lost
        world.to_cloud(ack)
    world.wait(10000)
    again = [world.cloud.take(world.time()) for _ in range(2)]
    world.to_device(again[0])
    world.to_cloud(world.device.take(world.now))
    world.to_device(world.cloud.take(world.time()))  # the ninth may leave now
    world.to_device(again[1])
    world.pump()
    world.wait(20000)
    world.pump()
    assert sorted(world.lamp.done) == list(range(9))
    assert {order.state for order in orders} == {"acknowledged"}


def test_acks_that_cannot_leave_are_bounded():
    # HX3-CMD-14
    world = ready()
    forger = Forger(world)
    for _ in range(40):
        forger.send("command", {"action": "light_off"})
    assert len(world.device.outbox.acks) == 16


def test_a_command_without_a_signed_action_is_refused_with_a_nack():
    # HX3-CMD-03, HX3-VAL-17
    world = ready()
    for body, top in (
        ({}, None),
        ({}, "light_on"),
        ({"action": "light_off"}, "light_on"),
        ({"action": 5}, None),
    ):
        more = {} if top is None else {"action": top}
        Forger(world, first=world.now).send("command", body, **more)
        world.now += 10
        assert opened(world.device.take(world.now)).params()["error"] == "COMMAND_INVALID"
    assert world.lamp.done == []


def test_an_unsigned_action_works_only_under_the_setting_named_for_it():
    # HX3-CMD-04, HX3-SEC-01
    world = ready()
    world.device.accept_unsigned_action = True
    Forger(world).send("command", {"brightness": 3}, action="light_on")
    assert world.lamp.done == [3]


def test_a_nack_is_repeated_too():
    # HX3-CMD-10
    world = ready()
    forger = Forger(world)
    for _ in range(2):
        forger.send("command", {}, message_id="bad")
        assert opened(world.device.take(world.now)).params()["error"] == "COMMAND_INVALID"


def test_retained_commands_are_ignored():
    # HX3-SESS-33, HX3-VAL-20
    world = ready()
    world.order()
    message = world.cloud.take(world.time())
    before = device_snapshot(world.device)
    world.to_device(message, True)
    assert world.lamp.done == [] and device_snapshot(world.device) == before


def test_what_is_not_a_command_runs_nothing():
    # HX3-VAL-20
    world = ready()
    before = device_snapshot(world.device)
    forger = Forger(world)
    forger.send("ota", {}, "ota")
    forger.send("hello_ack", {})
    forger.send("state", {"action": "light_on"})
    assert world.device.refused == {"UNKNOWN_ACTION": 1, "PROTOCOL_NOT_READY": 1, "FRAME_TYPE_INVALID": 1}
    assert device_snapshot(world.device) == before and world.lamp.done == []


def test_refused_messages_leave_the_state_as_it_was_and_get_no_answer():
    # HX3-VAL-11, HX3-VAL-12, HX3-VAL-13
    world = ready()
    world.wait(70000)
    # Without a top-level action: nobody signs that one, and a receiver ignores what it does not know.
    good = Forger(world).send("command", {"action": "light_on", "brightness": 50}, deliver=False)
    before = device_snapshot(world.device)
    for payload in damaged(good[1], 5):
        assert world.device.receive("cmd", payload, world.now) is None
        assert device_snapshot(world.device) == before
    world.to_device(good)
    assert world.lamp.done == [50]


def no_memory():
    raise MemoryError


def without_memory(world, message):
    """Give the device a message whose body finds no memory."""
    verifier = world.device._verifier
    judge = verifier.judge

    def greedy(payload, time, channel):
        judged = judge(payload, time, channel)
        judged.params = no_memory
        return judged

    verifier.judge = greedy
    try:
        assert world.to_device(message) is None
    finally:
        verifier.judge = judge


def test_a_command_that_there_is_no_memory_to_read_is_nacked_and_not_executed():
    # HX3-CMD-10, HX3-CMD-36
    world = ready()
    order = world.order("light_on", {"brightness": 7})
    without_memory(world, world.cloud.take(world.time()))
    assert world.device.refusal == "BUFFER_OVERFLOW" and world.device.refused == {}
    world.device.take(world.now)  # the nack is lost
    world.wait(10000)
    world.pump()  # there would be memory now, but what was once told stays true
    assert order.state == "failed" and order.error == "BUFFER_OVERFLOW" and order.attempts == 2
    assert world.lamp.done == [] and world.device.refusal is None
    order = world.order("light_on", {"brightness": 8})
    world.pump()
    assert world.lamp.done == [8] and order.state == "acknowledged"


def test_a_command_that_was_executed_is_never_told_to_have_found_no_memory():
    # HX3-CMD-11, HX3-CMD-36
    world = ready()
    order = world.order("light_on", {"brightness": 7})
    world.to_device(world.cloud.take(world.time()))
    world.device.take(world.now)  # the ack is lost
    world.wait(10000)
    without_memory(world, world.cloud.take(world.time()))
    world.pump()
    assert world.lamp.done == [7] and order.state == "acknowledged"


def test_a_command_that_still_runs_is_not_told_to_have_found_no_memory():
    # HX3-CMD-13, HX3-CMD-36
    world = ready()
    forger = Forger(world)
    message = forger.send("command", {"action": "light_on"}, message_id="one", deliver=False)
    command = world.device.receive(message[0], message[1], world.now)
    without_memory(world, forger.send("command", {"action": "light_on"}, message_id="one", deliver=False))
    assert world.device.take(world.now) is None
    world.device.finish(command, {"ack_status": "executed"})
    assert opened(world.device.take(world.now)).params()["ack_status"] == "executed"


def test_a_command_whose_result_finds_no_place_is_not_executed_until_it_comes_again():
    # HX3-CMD-10, HX3-VAL-16
    world = ready()
    order = world.order("light_on", {"brightness": 7})
    world.device.results.add = lambda *entry: no_memory()
    assert world.to_device(world.cloud.take(world.time())) is None
    del world.device.results.add
    assert world.device.refused == {"BUFFER_OVERFLOW": 1} and world.lamp.done == []
    assert world.device.take(world.now) is None
    world.wait(10000)
    world.pump()
    assert world.lamp.done == [7] and order.state == "acknowledged"


def test_an_answer_to_hello_that_there_is_no_memory_to_read_is_refused():
    # HX3-VAL-16
    world = World()
    world.device.connected(world.now)
    world.to_cloud(world.device.take(world.now))
    before = device_snapshot(world.device)
    without_memory(world, world.cloud.take(world.time()))
    assert world.device.refused == {"BUFFER_OVERFLOW": 1} and device_snapshot(world.device) == before
    world.wait(5000)  # hello is said again
    world.pump()
    assert world.device.state == "READY"
