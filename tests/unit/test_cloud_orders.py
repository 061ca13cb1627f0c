"""Orders: delivered once, settled by their own device, never lost."""

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
