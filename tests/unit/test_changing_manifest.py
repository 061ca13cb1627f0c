"""A part whose actions change while the device serves: the cloud learns of it without a reboot."""

from world import opened, ready

from check import raises
from hxtp.errors import COMMAND_INVALID, HxtpError
from hxtp.registry import Registry
from hxtp.session import READY, RENEWING


def offer(world, count, first=400):
    """Give the lamp `count` actions more than its own."""
    actions = dict(type(world.lamp).actions)
    for i in range(count):
        actions["scene_%d" % i] = (first + i, "Set a scene", {})
        setattr(world.lamp, "scene_%d" % i, lambda params: {"done": True})
    world.lamp.actions = actions
    world.device.registry.refresh()
    world.device.declare()


def manifests(world):
    return [opened(message) for message in world.wire if message[0] == "manifest"]


def names(world):
    return [entry["action"] for entry in world.cloud.manifest["capabilities"]]


def test_the_cloud_takes_a_new_manifest_and_its_commands_run():
    # HX3-MAN-19, HX3-MAN-04
    world = ready()
    offer(world, 2)
    assert world.wait(10) is None and world.device.state == RENEWING
    world.pump()
    assert world.device.state == READY
    assert names(world) == ["light_off", "light_on", "scene_0", "scene_1"]
    assert world.cloud.hello["manifest_hash"].encode() == manifests(world)[-1].payload_hash
    order = world.order("scene_1")
    world.pump()
    assert order.result["result"] == {"done": True}
    assert "HASH_MISMATCH" not in world.cloud.refused


def test_an_ack_that_waits_leaves_before_hello_is_said_anew():
    # HX3-MAN-19
    world = ready()
    order = world.order()
    while order.state != "dispatched":
        world.to_device(world.cloud.take(world.time()))
    offer(world, 1)
    world.wait(10)
    assert world.device.state == READY
    world.pump()
    assert order.state == "acknowledged" and order.attempts == 1
    world.wait(10)
    world.pump()
    assert "scene_0" in names(world)


def test_a_change_while_hello_is_out_is_told_by_another_hello():
    # HX3-MAN-19
    world = ready()
    offer(world, 1)
    world.wait(10)
    hello = world.device.take(world.now)
    offer(world, 2)
    world.to_cloud(hello)
    world.to_device(world.cloud.take(world.time()))
    assert world.device.state == READY
    sent = len(manifests(world))
    world.pump()  # the manifest that this hello named is no more
    assert len(manifests(world)) == sent
    world.wait(10)
    world.pump()
    assert names(world) == ["light_off", "light_on", "scene_0", "scene_1"]
    assert "HASH_MISMATCH" not in world.cloud.refused


def test_a_change_while_the_device_is_offline_is_in_its_next_hello():
    world = ready()
    world.device.disconnected(world.now)
    offer(world, 1)
    world.wait(10)
    world.connect()
    assert "scene_0" in names(world)
    before = world.cloud.sent
    world.wait(10)
    world.pump()
    assert world.cloud.sent == before, "no second hello was needed"


def test_what_is_no_longer_offered_is_unknown():
    world = ready()
    offer(world, 2)
    offer(world, 0)
    world.wait(10)
    world.pump()
    order = world.order("scene_0")
    world.pump()
    assert order.error == "UNKNOWN_ACTION"


def test_a_manifest_that_cannot_be_sent_is_refused_and_the_old_one_stays():
    world = ready()
    before = world.device.registry.manifest()
    refusal = raises(HxtpError, offer, world, 120)
    assert refusal.code == COMMAND_INVALID and "manifest" in refusal.detail
    assert world.device.registry.manifest() == before


class Many:
    KIND = "many"
    name = "many"

    def __init__(self, count):
        self.actions = {}
        for i in range(count):
            self.actions["do_%d" % i] = (1000 + i, "Do it", {})

    def method(self, action):
        return (lambda params: {"did": action}) if action[:3] == "do_" else None

    def state(self):
        return {}


def test_a_part_can_say_itself_what_does_an_action():
    registry = Registry()
    part = Many(2)
    registry.add(part)
    assert registry.run("do_1", {}) == {"ack_status": "executed", "result": {"did": "do_1"}}
    part.actions = {"undo": (7, "", {})}
    assert "no such method" in str(raises(ValueError, registry.refresh))


def test_a_declaration_that_clashes_is_refused_and_the_old_one_stays():
    registry = Registry()
    part = Many(2)
    registry.add(part)
    part.actions = {"do_1": (7, "", {}), "do_2": (7, "", {})}
    assert "same id" in str(raises(ValueError, registry.refresh))
    assert registry.run("do_0", {})["ack_status"] == "executed"


def test_a_manifest_in_pieces_is_the_same_message():
    for framed in (True, False):
        world = ready()
        device = world.device
        device.framed = framed
        device._manifest_wanted = True
        device._stream = True
        device.declare()
        world.wait(10)
        hello = device.take(world.now)
        world.cloud.manifest_hash = None  # so that it asks for the manifest
        world.to_cloud(hello)
        world.to_device(world.cloud.take(world.time()))
        device.framed = framed
        channel, message = device.take(world.now)
        whole = b"".join(list(message))
        assert channel == "manifest" and len(message) == len(whole)
        assert (whole[:2] == b"HX") is framed
        event = world.to_cloud((channel, whole))
        assert event.type == "manifest"
        assert event.body == opened((channel, whole)).params() and names(world) == ["light_off", "light_on"]


def test_a_long_result_in_pieces_is_the_same_message():
    for framed in (True, False):
        for size in (300, 900):
            world = ready()
            device = world.device
            device.framed = framed
            device._stream = True
            device.outbox.ack("6f5d7a5e-0000-4000-8000-000000000001", {"result": {"raw": "x" * size}})
            channel, message = device.take(world.now)
            assert isinstance(message, bytes) == (size < 512)
            whole = message if size < 512 else b"".join(list(message))
            assert channel == "cmd_ack" and len(message) == len(whole)
            assert (whole[:2] == b"HX") is framed
            assert opened((channel, whole)).params()["result"] == {"raw": "x" * size}


def test_a_device_without_actions_says_so():
    assert Registry().manifest() == '{"capabilities":[]}'
