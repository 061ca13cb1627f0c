"""What waits at a cloud: for a device that is away, or has not told what it can do, or says hello again."""

from binascii import hexlify
from hashlib import sha256

from world import Sayer, opened, ready


def test_a_command_for_a_device_that_the_broker_lost_waits_for_its_next_word():
    # HX3-CMD-33, HX3-PRES-04
    world = ready()
    world.cloud.hint()
    world.cloud.hint()  # from two brokers of a cluster, say
    assert world.cloud.online(world.time())  # nobody signed it
    order = world.order()
    assert world.cloud.take(world.time()) is None and order.state == "queued"
    world.wait(30000)  # until the heartbeat
    world.pump()
    assert order.state == "acknowledged"


def test_what_waited_while_the_device_was_away_is_executed_after_its_restart():
    # HX3-CMD-33, HX3-CMD-21
    world = ready()
    order = world.order()
    assert world.cloud.take(world.time())  # lost with the device
    world.cloud.hint()
    waiting = world.order()
    assert world.cloud.take(world.time()) is None
    world.wait(5000)
    world.boot()
    world.connect()
    assert (order.state, order.error) == ("failed", "OUTCOME_UNKNOWN")
    assert waiting.state == "acknowledged"


def test_a_published_command_is_signed_again_whether_the_broker_lost_the_device_or_not():
    # HX3-CMD-18: had it arrived, the ack was lost and the next one tells
    world = ready()
    order = world.order()
    assert world.cloud.take(world.time())
    world.cloud.hint()
    world.cloud.tick(world.time() + 10000)
    assert world.cloud.take(world.time() + 10000) and order.attempts == 2


def test_a_command_for_a_device_that_is_silent_for_long_waits_too():
    # HX3-CMD-33, HX3-PRES-02
    world = ready()
    later = world.time() + 4 * 30000
    order = world.cloud.submit("light_on", {}, later)
    assert world.cloud.take(later) is None and order.state == "queued"


def test_who_says_hello_all_the_time_is_sent_no_more_for_it():
    # HX3-CMD-34
    world = ready()
    orders = [world.order("light_on", {"brightness": n}) for n in range(5)]
    world.cloud.results_kept = 5
    while world.cloud.take(world.time()):
        pass
    assert [order.attempts for order in orders] == [1] * 5
    device = Sayer(world)
    boot = world.cloud.boot_count
    told = world.cloud.manifest_hash

    def hello():
        device.hello(boot_count=boot, manifest_hash=told, results_kept=6)
        sent = []
        while True:
            message = world.cloud.take(world.time())
            if not message:
                return len([one for one in sent if opened(one).type == "command"])
            sent.append(message)

    assert hello() == 5  # at once: the first time it means it
    for _ in range(98):
        world.now += 100
        assert hello() == 0
    world.now += 200
    assert hello() == 5
    world.cloud.results_kept = 6
    orders.append(world.order())
    assert world.cloud.take(world.time())
    world.now += 100
    assert hello() == 1  # it is new
    world.now += 100
    assert hello() == 0
    world.now += 9800  # by now its turn had come without another hello
    sent = 0
    while world.cloud.take(world.time()):
        sent += 1
    assert sent == 6 and [order.state for order in orders] == ["dispatched"] * 6


def test_what_never_left_waits_for_the_manifest_that_the_device_named():
    # HX3-MAN-24
    world = ready()
    device = Sayer(world)
    device.hello(manifest_hash=hexlify(sha256(b'{"capabilities":[]}').digest()).decode())
    assert opened(world.cloud.take(world.time())).type == "hello_ack"
    order, waiting = world.order(life=1000), world.order()
    assert world.cloud.take(world.time()) is None and order.state == "queued"
    world.wait(1000)
    assert (order.state, order.error) == ("expired", None)
    assert device.say("manifest", {"capabilities": []})
    assert opened(world.cloud.take(world.time())).message_id == waiting.message_id


def test_an_order_that_never_left_can_be_withdrawn():
    # HX3-MAN-25
    world = ready()
    first, second = world.order(), world.order("light_on", {"brightness": 3})
    world.cloud.withdraw(first, "RESTRICTED_ACTION")
    assert (first.state, first.error, world.cloud.orders) == ("failed", "RESTRICTED_ACTION", [second])
    world.pump()
    assert second.state == "acknowledged" and world.lamp.done == [3]


def test_a_word_that_a_clock_ahead_heard_keeps_a_device_online_no_longer_than_any():
    # HX3-PRES-02
    world = ready()
    world.cloud.last_seen = world.time() + 3600000
    assert not world.cloud.online(world.time())
    assert Sayer(world).say("heartbeat", {}) and world.cloud.online(world.time())
