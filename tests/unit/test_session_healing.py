"""How a session lasts, heals and ends, and the table that says so."""

from world import START, Forger, World, ready

from check import raises
from hxtp import frame, session
from hxtp.errors import HxtpError
from hxtp.session import HELLO_SENT, OFFLINE, READY, RENEWING, TRANSITIONS, UNANSWERED


def test_a_device_says_hello_anew_after_ten_quiet_minutes():
    # HX3-SESS-26
    world = ready()
    world.wait(599999)
    assert world.device.state == READY
    world.wait(1)
    assert world.device.state == RENEWING and world.device.serving()
    world.pump()
    assert world.device.state == READY


def test_a_device_says_hello_anew_after_six_hours():
    # HX3-SESS-26
    world = ready()
    hellos = 0
    for _ in range(6 * 60 + 1):
        world.wait(60000)
        world.order()
        for event in world.pump():
            hellos += event.type == "hello"
    assert hellos == 1


def test_commands_are_served_while_a_session_is_renewed():
    # HX3-SESS-26
    world = ready()
    world.wait(590000)
    world.to_cloud(world.device.take(world.now))  # a heartbeat: the device is there
    world.wait(10000)
    order = world.order()
    message = world.cloud.take(world.time())
    assert world.to_device(message) and world.device.state == RENEWING
    world.pump()
    assert order.state == "acknowledged" and world.lamp.done == [100]


def test_a_renewal_without_answer_ends_the_connection():
    # HX3-SESS-28
    world = ready()
    world.wait(600000)
    assert world.wait(60000) == "reconnect" and world.device.state == OFFLINE


def test_an_answer_that_was_held_back_does_not_let_old_commands_run_again():
    world = ready()
    world.wait(600000)
    world.to_cloud(world.device.take(world.now))
    held = world.cloud.take(world.time())
    recorded = []
    for n in range(20):
        world.order("light_on", {"brightness": n})
        recorded.append(world.cloud.take(world.time()))
        world.to_device(recorded[-1])
        world.to_cloud(world.device.take(world.now))
    world.to_device(held)
    assert world.device.state == READY
    for message in recorded:
        assert world.to_device(message) is None
    assert world.lamp.done == list(range(20))


def test_a_cloud_that_lost_its_numbers_is_served_from_a_new_connection_on():
    world = ready()
    for _ in range(20):
        world.order()
        world.pump()
    world.cloud.sent = 0
    world.wait(600000)
    world.pump()
    assert world.device.state == RENEWING and world.device.refused == {"SEQUENCE_VIOLATION": 1}
    assert world.wait(1) == "reconnect"
    world.device.disconnected(world.now)
    world.connect()
    order = world.order()
    world.pump()
    assert order.state == "acknowledged"


def test_a_renewal_can_repair():
    # HX3-SESS-23
    world = ready()
    world.wait(600000)
    world.device.take(world.now)
    Forger(world).hello_ack(session=False, server_time=world.time() + 7000)
    assert world.device.state == RENEWING and world.device.time(world.now) == world.time() + 7000


def test_an_authentic_message_out_of_time_or_order_makes_the_device_ask_once_a_minute():
    # HX3-SESS-27, HX3-VAL-14
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
    # HX3-SESS-27
    world = ready()
    world.wait(100000)
    Forger(world, b"\xcd" * 32).send("command", {"action": "light_on"}, timestamp=1)
    assert world.device.state == READY


def test_every_state_can_be_left_and_every_transition_has_its_method():
    states = set(state for state, event in TRANSITIONS)
    assert states == set((OFFLINE, HELLO_SENT, READY, RENEWING, UNANSWERED))
    for state, event in TRANSITIONS:
        after, action = TRANSITIONS[(state, event)]
        assert after in states and hasattr(session.Session, "_" + action)
        assert event == "connected" or (state, "disconnected") in TRANSITIONS


def test_disconnecting_ends_every_state():
    # HX3-SESS-06
    world = World()
    world.device.disconnected(world.now)
    world.device.connected(world.now)
    world.device.disconnected(world.now)
    assert world.device.state == OFFLINE
    world.connect()
    world.wait(600000)
    world.device.disconnected(world.now)
    assert world.device.state == OFFLINE and world.device.tick(world.now) is None


def test_an_error_of_the_family_carries_code_and_detail():
    error = HxtpError("INVALID_PARAMS", "brightness")
    assert (error.code, error.detail) == ("INVALID_PARAMS", "brightness")
    assert raises(HxtpError, frame.open_frame, b"").detail == ""
