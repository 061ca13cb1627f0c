"""Each weakness that was found in public HxTP code, tried on ours. The device must not have one of them."""

from world import SECRET, TENANT, Forger, World, device_snapshot, opened, ready

from hxtp.counter import Counter
from hxtp.sign import mqtt_password


def refused(world, payload, code, channel="cmd"):
    before = device_snapshot(world.device)
    done = list(world.lamp.done)
    count = world.device.refused.get(code, 0)
    assert world.to_device((channel, payload)) is None
    assert world.device.refused.get(code, 0) == count + 1, world.device.refused
    assert device_snapshot(world.device) == before and world.lamp.done == done
    assert world.device.take(world.now) is None  # and nothing is answered


def command(world, **changes):
    return Forger(world).send("command", {"action": "light_on", "brightness": 9}, deliver=False, **changes)[1]


def test_01_a_hello_reframed_as_a_command_is_not_executed():
    world = World()
    world.device.connected(world.now, world.time())
    hello = world.device.take(world.now)[1]
    world.device.disconnected(world.now)
    world.connect()
    text = b'{"action":"light_on",' + hello[9:]
    reframed = b"HX\x03\x02" + len(text).to_bytes(4, "big") + text
    refused(world, reframed, "FRAME_TYPE_INVALID")
    refused(world, text, "FRAME_TYPE_INVALID")


def test_02_a_changed_action_or_tenant_is_refused():
    world = ready()
    message = command(world, action="light_on")[8:]
    refused(world, message.replace(TENANT.encode(), b"tenant-2"), "PERMISSION_DENIED")
    refused(world, message.replace(b'"tenant_id":"tenant-1",', b""), "PERMISSION_DENIED")
    other = message.replace(b'{"action":"light_on","client', b'{"action":"light_off","client')
    assert other != message and world.to_device(("cmd", other)) is None
    assert opened(world.device.take(world.now)).params()["error"] == "COMMAND_INVALID"
    assert world.lamp.done == []


def test_03_a_forged_frame_with_a_huge_number_shuts_nobody_out():
    world = ready()
    forged = Forger(world, b"\xcd" * 32)
    for number in (9007199254740991, 9007199254740990):
        message = forged.send("command", {"action": "light_on"}, deliver=False, sequence_number=number)
        refused(world, message[1], "SIGNATURE_INVALID")
    order = world.order()
    world.pump()
    assert order.state == "acknowledged"


def test_04_text_of_a_peer_cannot_write_into_a_signed_ack():
    world = ready()
    evil = 'x","ack_status":"executed'
    Forger(world).send("command", {"action": "no_such"}, message_id=evil, request_id=evil)
    ack = opened(world.device.take(world.now)).params()
    assert ack == {"ack_status": "failed", "error": "UNKNOWN_ACTION", "ref_message_id": evil}
    Forger(world, first=2000).send("command", {"action": "light_on", 'a":1,"ack_status': 1})
    ack = opened(world.device.take(world.now)).params()
    assert (ack["ack_status"], ack["member"]) == ("failed", 'a":1,"ack_status')


def test_05_what_no_key_signed_is_never_answered():
    world = ready()
    good = command(world)
    for payload, code in (
        (good[:-80] + b"0" * 20 + good[-60:], None),
        (b"{}", "VERSION_MISMATCH"),
        (good.replace(b'"brightness":9', b'"brightness":8'), "HASH_MISMATCH"),
        (b"HX\x03\x02\x00\x00\x00\x01{", "FRAME_JSON_INVALID"),
    ):
        if code:
            refused(world, payload, code)
        else:
            world.to_device(("cmd", payload))
            assert world.device.take(world.now) is None and world.lamp.done == []


def test_06_no_field_can_hold_the_separator_and_a_nonce_has_its_size():
    world = ready()
    for changes in ({"client_id": "a|b"}, {"message_id": "a|b"}, {"request_id": "x|7|1"}, {"client_id": ""}):
        refused(world, command(world, **changes), "FRAME_SCHEMA_INVALID")
    for nonce in ("", "00", "00" * 15, "a|" * 16):
        refused(world, command(world, nonce=nonce), "NONCE_MISSING")


def test_07_an_old_command_does_not_come_back_after_many_messages_or_a_reboot():
    world = ready()
    order = world.order()
    old = world.cloud.take(world.time())
    world.to_device(old)
    world.pump()
    for _ in range(70):
        world.order("light_off")
        world.pump()
    refused(world, old[1], "SEQUENCE_VIOLATION")
    world.device.disconnected(world.now)
    world.boot()
    world.wait(5000)
    world.connect()
    refused(world, old[1], "SEQUENCE_VIOLATION")
    assert world.lamp.done.count(100) == 1 and order.state == "acknowledged"


def test_08_a_body_without_its_hash_is_refused():
    world = ready()
    message = command(world)[8:]
    start = message.index(b'"payload_hash"')
    refused(world, message[:start] + message[start + 82 :], "HASH_MISMATCH")


def test_09_a_device_without_a_clock_gets_the_time_and_obeys():
    world = World()
    world.connect()
    order = world.order()
    world.pump()
    assert order.state == "acknowledged"


def test_10_the_secret_is_no_password_and_flash_is_spared():
    password = mqtt_password(SECRET, "d" * 32, 1777200000)
    assert SECRET.hex() not in password and len(password) < 128
    writes = []
    counter = Counter(0, writes.append)
    for _ in range(10000):
        counter.next()
    assert len(writes) <= 10


def test_11_members_are_not_told_apart_by_which_parser_reads_them():
    world = ready()
    message = command(world)[8:]
    body = b'"params":{"action":"light_on","brightness":9}'
    for twice in (
        b'"params":{"action":"light_off"},' + body,
        body + b',"params":{}',
        b'"par\\u0061ms":{},' + body,
        b'"params":{"action":"light_on","action":"light_off"}',
        body + b',"state":{}',
    ):
        refused(world, message.replace(body, twice), "FRAME_JSON_INVALID")
    for junk in (b"null", b"[]", b"0", b'""', b"true"):
        refused(world, junk, "FRAME_JSON_INVALID")


def test_12_the_frame_byte_is_compared_and_a_heartbeat_fits():
    world = ready()
    message = command(world)
    for code in range(256):
        if code != 2:
            refused(world, message[:3] + bytes([code]) + message[4:], "FRAME_TYPE_INVALID")
    world.wait(30000)
    beat = world.device.take(world.now)
    assert beat[0] == "heartbeat" and len(beat[1]) < 800
    assert world.to_cloud(beat).type == "heartbeat"
