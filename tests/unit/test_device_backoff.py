"""Waiting between attempts: full jitter under a ceiling that doubles from 1 s to 60 s."""

from check import Bytes
from hxtp_device.backoff import Backoff


def test_the_ceiling_doubles_from_one_second_to_sixty():
    backoff = Backoff(lambda n: b"\xff" * n)
    ceilings = []
    for _ in range(9):
        ceilings.append(backoff.ceiling)
        backoff.next()
    assert ceilings == [1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000]


def test_every_wait_is_between_nothing_and_the_ceiling():
    backoff = Backoff(Bytes(1))
    for _ in range(500):
        ceiling = backoff.ceiling
        assert 0 <= backoff.next() <= ceiling <= 60000


def test_waits_spread_over_the_whole_range():
    backoff = Backoff(Bytes(2))
    for _ in range(7):
        backoff.next()
    quarters = [0] * 4
    for _ in range(400):
        quarters[min(3, backoff.next() // 15000)] += 1
    assert min(quarters) > 60, quarters


def test_two_devices_do_not_wait_alike():
    one, other = Backoff(Bytes(3)), Backoff(Bytes(4))
    assert [one.next() for _ in range(5)] != [other.next() for _ in range(5)]


def test_reset_begins_at_one_second_again():
    backoff = Backoff(Bytes(5))
    for _ in range(8):
        backoff.next()
    backoff.reset()
    assert backoff.next() <= 1000
