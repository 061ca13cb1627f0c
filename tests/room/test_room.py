"""A room of remotes and receivers, without a board: what is sent, and who sees what of it."""

import doctest

import pytest

import host_sim.room
from capabilities.ir import codecs
from host_sim import ROOT
from host_sim.ir import signals
from host_sim.room import Interrupts, Noise, Receiver, Room, picture

BUTTONS = [
    ("nec", {"address": 4, "command": 8}),
    ("necext", {"address": 0x1234, "command": 0x4321}),
    ("samsung32", {"address": 7, "command": 2}),
    ("lg", {"address": 8, "command": 0x1234}),
    ("jvc", {"address": 3, "command": 9}),
    ("kaseikyo", {"address": 9, "command": 61, "vendor": 0x2002}),
    ("sony12", {"address": 1, "command": 21}),
    ("sony15", {"address": 164, "command": 21}),
    ("sony20", {"address": 4711, "command": 21}),
    ("rc5", {"address": 5, "command": 35, "toggle": 1}),
    ("rc5x", {"address": 5, "command": 70, "toggle": 0}),
    ("rc6", {"address": 15, "command": 12, "toggle": 1}),
]


def first(timings):
    """What the first frame of a capture says."""
    start, end = codecs.frames(timings)[0]
    return codecs.decode(timings[start:end])


@pytest.mark.parametrize(("encoding", "numbers"), BUTTONS, ids=[name for name, _ in BUTTONS])
def test_a_button_of_every_protocol_is_seen_across_the_room(encoding, numbers):
    room = Room(seed=1)
    ear = room.receiver(at=(0, 0), clock=0.98)
    room.remote(at=(4, 3), clock=1.03).press(encoding, held=1, **numbers)
    assert first(room.heard(ear)) == {"protocol": encoding, **numbers}


def test_every_receiver_sees_what_its_distance_lets_through():
    room = Room()
    near, far = room.receiver(at=(3, 0)), room.receiver(at=(0, 30))
    remote = room.remote()
    remote.press("nec", address=4, command=8)
    assert (len(room.heard(near)), room.heard(far)) == (67, [])
    far.at = (0, 2)
    remote.press("nec", address=4, command=8)
    assert room.heard(far) == room.heard(near)


def test_a_receiver_of_another_frequency_is_nearly_blind():
    room = Room()
    ear = room.receiver(at=(5, 0), module=Receiver(centre_hz=56000))
    room.remote().press("nec", address=4, command=8)
    assert room.heard(ear) == []


def test_a_toggle_bit_changes_with_each_press_of_a_remote_and_stays_while_held():
    room = Room()
    ear = room.receiver()
    remote = room.remote()
    seen = []
    for _ in range(3):
        remote.press("rc5", address=5, command=35, held=2)
        timings = room.heard(ear)
        frames = [codecs.decode(timings[start:end]) for start, end in codecs.frames(timings)]
        assert len(frames) == 3 and frames[0] == frames[1] == frames[2]
        seen.append(frames[0]["toggle"])
    assert seen == [0, 1, 0]


def test_two_remotes_at_once_are_one_light():
    room = Room(seed=1)
    ear = room.receiver()
    one, other = room.remote(at=(1, 0)), room.remote(at=(0, 1), clock=1.02)
    with room.together():
        one.press("nec", address=4, command=8)
        other.press("nec", address=200, command=3, after=0.02)
    assert first(room.heard(ear)) is None
    lit = sum(end - start for start, end in room.reception(ear).marks)
    alone = 0
    for remote, address, command in ((one, 4, 8), (other, 200, 3)):
        remote.press("nec", address=address, command=command)
        alone += sum(end - start for start, end in room.reception(ear).marks)
    assert 9000 < lit < alone


def test_one_after_the_other_together_are_both_understood():
    room = Room()
    ear = room.receiver()
    remote = room.remote(at=(1, 0))
    with room.together():
        remote.press("nec", address=4, command=8)
        remote.press("nec", address=4, command=9, after=0.2)
    timings = room.heard(ear)
    found = [codecs.decode(timings[start:end])["command"] for start, end in codecs.frames(timings)]
    assert found == [8, 9]
    assert timings[67] == 200_000 - sum(timings[:67])


def test_noise_is_seen_where_nothing_is_sent_and_may_spoil_what_is():
    room = Room(seed=4, noise=Noise(per_second=30))
    ear = room.receiver(at=(1, 0))
    room.idle(1)
    assert len(room.heard(ear)) > 30
    remote = room.remote()
    understood = 0
    for _ in range(50):
        remote.press("nec", address=4, command=8)
        understood += any(
            codecs.decode(room.heard(ear)[start:end]) for start, end in codecs.frames(room.heard(ear))
        )
    assert 0 < understood < 50


def play(seed):
    room = Room(seed, noise=40, interrupts=Interrupts(lost=0.05, stalls_per_s=2, stall_us=3000))
    ears = [room.receiver(at=(1, 0)), room.receiver(at=(2, 0), clock=1.01)]
    remote = room.remote(clock=0.97)
    told = []
    for command in range(3):
        remote.press("samsung32", address=7, command=command)
        told += [room.reception(ear) for ear in ears]
    return told


def test_a_seed_tells_everything():
    assert play(7) == play(7)
    assert play(7) != play(8)
    one, other = play(7)[:2]
    assert one.marks != other.marks  # each has noise of its own


def test_raw_timings_and_signals_of_any_format_can_be_sent():
    room = Room()
    ear = room.receiver()
    remote = room.remote(at=(1, 0))
    remote.raw([500, 600, 700], carrier=36000)
    assert room.heard(ear) == [500, 600, 700]
    remote.send(signals.from_timings("x", 40000, [1000, 9000], [300, 9000]), held=2)
    assert room.heard(ear) == [1000, 9000, 300, 9000, 300]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda room: room.remote(clock=3), "clock of 3"),
        (lambda room: room.remote().press("morse", address=1, command=1), "no protocol 'morse'"),
        (lambda room: room.remote().press("nec", address=4), "no command None"),
        (lambda room: room.remote().press("nec", address=4, command=8, held=101), "0 to 100"),
        (lambda room: room.remote().raw([]), "0 timings"),
        (lambda room: room.remote().raw([5], after=-1), "from 0 to 60 s"),
        (lambda room: room.idle(61), "0 to 60 s"),
        (lambda room: room.heard(Room().receiver()), "not in this room"),
        (lambda room: Room(noise=-1), "noise is"),
    ],
)
def test_what_cannot_be_is_refused_in_words(wrong, says):
    with pytest.raises(ValueError, match=says):
        wrong(Room())


def test_a_closed_room_is_dark():
    with Room() as room:
        remote = room.remote()
    with pytest.raises(ValueError, match="closed"):
        remote.press("nec", address=4, command=8)


def test_the_example_of_the_package_is_true(tmp_path):
    program = "import time\nwhile True:\n    time.sleep_ms(10)\n"
    found = doctest.testmod(host_sim.room, extraglobs={"flash": tmp_path, "program": program})
    assert (found.attempted, found.failed) == (4, 0)


def test_the_picture_of_the_documentation_is_what_the_room_makes():
    assert (ROOT / "docs" / "infrared-room.svg").read_text() == picture.svg()
    told = [about for about in picture.svg().split("\n") if "<text" in about and "ms" in about]
    assert [("command 8" in row) for row in told] == [True, True, False, False]
