"""A learned command reaches the cloud, and is commanded by it, without a reboot."""

from remotes import Room, press
from world import World


def test_the_cloud_commands_what_was_learned_without_a_reboot():
    world = World()
    one = Room()
    world.lamp = one.part
    world.boot()
    registry = world.device.registry
    one.bench.registry = registry

    def declare(part):
        registry.refresh()
        world.device.declare()

    one.bench.declare = declare
    world.connect()
    one.learn(press("nec", address=4, command=8), name="tv_power")
    world.wait(10)
    world.pump()
    assert '"ir_tv_power"' in registry.manifest()
    assert "ir_tv_power" in [entry["action"] for entry in world.cloud.manifest["capabilities"]]
    order = world.order("ir_tv_power", {"repeats": 1})
    world.pump()
    assert order.state == "acknowledged" and one.sent[0][2] == press("nec", 1, address=4, command=8)
