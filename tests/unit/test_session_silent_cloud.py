"""A cloud that never answers hello is served under a setting alone, and carefully."""

from world import Forger, World, opened

from hxtp.session import OFFLINE, READY, UNANSWERED, Memory


def silent(memory, allowed=True, clock=True):
    world = World(memory=memory)
    world.device.serve_cloud_without_hello_ack = allowed
    if clock:
        world.device.set_clock(world.time(), world.now)
    world.device.connected(world.now)
    world.device.take(world.now)
    return world, world.wait(60000)


def test_a_silent_cloud_is_served_only_under_its_setting_with_a_clock_and_if_it_never_answered():
    # HX3-SESS-31, HX3-SESS-30, HX3-SEC-01
    assert silent(Memory(), allowed=False)[1] == "reconnect"
    assert silent(Memory(), clock=False)[1] == "reconnect"
    answered = Memory()
    answered.save_cloud_answers()
    assert silent(answered)[1] == "reconnect"
    world, said = silent(Memory())
    assert said is None and world.device.state == UNANSWERED and world.device.serving()


def test_under_a_silent_cloud_the_floor_is_in_flash_before_a_command_runs():
    # HX3-SESS-31
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
    # HX3-SESS-32
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


def test_disconnecting_ends_it():
    world, _ = silent(Memory())
    world.device.disconnected(world.now)
    assert world.device.state == OFFLINE
