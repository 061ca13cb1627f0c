"""Orders: delivered once, settled by their own device, never lost."""

from binascii import hexlify
from hashlib import sha256

from world import TENANT, Forger, Random, Sayer, World, opened, ready

from check import raises
from hxtp import cloud
from hxtp.cloud import Link
from hxtp.errors import HxtpError
from hxtp.sign import Key
from hxtp.window import Window


def test_a_command_waits_for_a_session():
    # HX3-CMD-16
    world = World()
    order = world.order()
    assert world.cloud.take(world.time()) is None and order.state == "queued"
    world.connect()
    assert order.state == "acknowledged"


def test_a_published_command_is_signed_again_with_the_same_id_and_backs_off():
    # HX3-CMD-18, HX3-CMD-19, HX3-CMD-22
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
    # HX3-CMD-22
    world = World()
    order = world.order(life=1000)
    world.wait(999)
    assert order.state == "queued"
    world.wait(1)
    assert (order.state, order.error) == ("expired", None) and world.cloud.orders == []


def test_after_another_boot_a_published_command_has_an_unknown_outcome_and_an_unpublished_one_is_sent():
    # HX3-CMD-20, HX3-CMD-21
    world = ready()
    published = world.order("light_on", {"brightness": 1})
    world.cloud.take(world.time())
    world.cloud.results_kept = 1
    waiting = world.order("light_on", {"brightness": 2})
    world.device.disconnected(world.now)
    world.boot()
    world.wait(5000)
    events = world.connect()
    assert [event.ended for event in events if event.ended] == [[published], [waiting]]
    assert (published.state, published.error) == ("failed", "OUTCOME_UNKNOWN")
    assert waiting.state == "acknowledged" and world.lamp.done == [2]


def test_after_a_reconnect_of_the_same_boot_a_published_command_is_sent_at_once():
    # HX3-CMD-18
    world = ready()
    order = world.order()
    world.cloud.take(world.time())
    world.device.disconnected(world.now)
    world.connect()
    assert order.state == "acknowledged" and order.attempts == 2 and world.lamp.done == [100]


def test_no_more_commands_are_out_than_the_device_remembers():
    # HX3-CMD-15
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
    # HX3-CMD-25
    world = World()
    world.cloud.max_unsettled = 5
    for _ in range(5):
        world.order()
    assert raises(HxtpError, world.order).code == "BUFFER_OVERFLOW"


def test_a_command_that_fits_in_no_message_is_refused_and_takes_no_number():
    world = World()
    most, cloud.MAX_BODY = cloud.MAX_BODY, 200  # a small heap has no room for many of the real size
    try:
        refusal = raises(HxtpError, world.order, "light_on", {"x": "y" * 200})
    finally:
        cloud.MAX_BODY = most
    assert refusal.code == "PAYLOAD_TOO_LARGE"
    assert world.cloud.orders == [] and world.cloud.submitted == 0


def test_an_ack_counts_only_for_a_published_command_of_this_device():
    # HX3-CMD-23, HX3-VAL-18
    world = ready()
    order = world.order()
    device = Sayer(world)
    for reference in (order.message_id, "other", None, ["x"]):
        assert device.say("ack", {"ack_status": "executed", "ref_message_id": reference}, "cmd_ack") is None
    assert order.state == "queued" and world.cloud.refused == {"TIMESTAMP_EXPIRED": 1, "COMMAND_INVALID": 4}
    other = Link("f" * 32, TENANT, [(Key(b"\xcd" * 32), Window())], Random(b"x"))
    world.cloud.take(world.time())
    ack = Forger(world, b"\xcd" * 32).send(
        "ack",
        {"ack_status": "executed", "ref_message_id": order.message_id},
        "cmd_ack",
        deliver=False,
        device_id="f" * 32,
    )
    assert other.receive(ack[0], ack[1], world.time()) is None and world.to_cloud(ack) is None
    assert order.state == "dispatched"


def test_a_nack_settles_with_the_code_of_the_device():
    # HX3-CMD-24
    world = ready()
    order = world.order("light_on", {"brightness": 500})
    world.pump()
    assert (order.state, order.error, order.result["member"]) == ("failed", "INVALID_PARAMS", "brightness")
    odd = world.order()
    world.cloud.take(world.time())
    Sayer(world).say("ack", {"ack_status": "failed", "ref_message_id": odd.message_id}, "cmd_ack")
    assert (odd.state, odd.error) == ("failed", "COMMAND_INVALID")


def test_a_dry_run_ends_as_acknowledged_and_no_other_command_by_its_ack():
    # HX3-CMD-29, HX3-CMD-32
    world = ready()
    order = world.order("light_on", {"brightness": 5, "dry_run": True})
    refused = world.order("light_on", {"brightness": 500, "dry_run": True})
    world.pump()
    assert (order.state, order.result["ack_status"]) == ("acknowledged", "dry_run")
    assert (refused.state, refused.error) == ("failed", "INVALID_PARAMS")
    assert world.lamp.done == []
    real = world.order("light_on", {"brightness": 5})
    world.cloud.take(world.time())
    Sayer(world).say("ack", {"ack_status": "dry_run", "ref_message_id": real.message_id}, "cmd_ack")
    assert (real.state, real.error) == ("failed", "COMMAND_INVALID")


def test_everything_is_durable_before_it_leaves():
    # HX3-CMD-17, HX3-SESS-13, HX3-SEQ-08
    world = World()
    kept = []
    world.cloud._commit = lambda link: kept.append(
        (link.sent, link.boot_count, [o.boot_count for o in link.orders])
    )
    world.connect()
    world.order()
    assert kept[-1][2] == [None]
    message = world.cloud.take(world.time())
    assert kept[-1] == (opened(message).sequence, 1, [1])


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
