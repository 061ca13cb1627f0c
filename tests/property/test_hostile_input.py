"""Whatever bytes arrive at either end, they end as a published code, and the state is as it was."""

from hypothesis import given
from hypothesis import strategies as st
from world import Forger, World, device_snapshot, link_snapshot, ready

from hxtp import errors

CODES = {value for name, value in vars(errors).items() if name.isupper()}


def check(world: World, payload: bytes) -> None:
    before = device_snapshot(world.device), link_snapshot(world.cloud)
    for channel in ("cmd", "ota"):
        assert world.device.receive(channel, payload, world.now) is None
        assert world.device.refusal in CODES
    for channel in ("hello", "state", "cmd_ack", "telemetry", "heartbeat", "manifest"):
        assert world.cloud.receive(channel, payload, world.time()) is None
        assert world.cloud.refusal in CODES
    assert (device_snapshot(world.device), link_snapshot(world.cloud)) == before
    assert world.device.take(world.now) is None and world.cloud.take(world.time()) is None


WORLD = ready()
COMMAND = Forger(WORLD).send("command", {"action": "light_on", "brightness": 9}, deliver=False)[1]


@given(st.binary(max_size=400))
def test_random_bytes(payload):
    check(WORLD, payload)


@given(st.binary(max_size=200), st.integers(0, 11))
def test_random_bytes_in_a_frame(payload, code):
    check(WORLD, b"HX\x03" + bytes([code]) + len(payload).to_bytes(4, "big") + payload)


@given(st.integers(0, len(COMMAND) - 1), st.integers(1, 255))
def test_every_change_of_one_byte(at, flip):
    check(WORLD, COMMAND[:at] + bytes([COMMAND[at] ^ flip]) + COMMAND[at + 1 :])


@given(st.integers(0, len(COMMAND) - 1), st.binary(max_size=8))
def test_every_truncation_and_what_may_follow_it(size, tail):
    payload = COMMAND[:size] + tail
    if payload != COMMAND:
        check(WORLD, payload)


def test_ten_megabytes_of_brackets():
    for payload in (b"[" * 10_000_000, b"{" * 10_000_000, b'{"a":' * 2_000_000, b"HX" + b"[" * 10_000_000):
        check(WORLD, payload)
        assert WORLD.device.refusal == "PAYLOAD_TOO_LARGE"


def test_what_json_allows_and_no_runtime_likes():
    for text in (
        b"null",
        b'"\\ud800"',
        b"1e999999999",
        b"9" * 16000,
        b"-" * 300,
        b"[" * 16384,
        b"\xed\xa0\x80",
    ):
        check(WORLD, text)
        check(WORLD, b'{"version":"HxTP/3.0","params":' + text[:16000] + b"}")
