"""Ten thousand commands to the firmware on MicroPython (32-bit, 128 KB) over Mosquitto with TLS, and all that
goes wrong meanwhile: nothing runs twice, every outcome is honest, and the free heap stays where it was.
"""

import os
import time
from pathlib import Path

import pytest

from host_sim import runtimes
from host_sim.soak.house import House, Missing
from hxtp_device.device import STEADY
from tests.soak import outages
from tests.soak.orders import Account

COMMANDS = int(os.environ.get("SOAK_COMMANDS") or 10000)
LIMIT = 540  # s, for the whole
RECOVERY = 120  # s without an acknowledgement, after the longest back-off and a connection's time limit
SHORT, LONG = 5, 300  # s, that commands live; the short ones are ordered during outages
SLACK = 1024  # bytes by which two collections may differ for no reason of the firmware's

BOARD = {
    "device_type": "probe",
    "parts": [{"kind": "probe"}, {"kind": "light", "pin": 25}, {"kind": "relay", "pin": 26}],
}


@pytest.fixture
def house(tmp_path):
    if runtimes.micropython() is None:
        pytest.fail("MicroPython's unix port is not here: make runtimes", pytrace=False)
    try:
        one = House(tmp_path, BOARD, "128K", {"probe": Path(__file__).with_name("probe.py")})
    except Missing as missing:
        pytest.fail(str(missing), pytrace=False)
    with one:
        yield one


class Run:
    """The run as a person sees it: a line now and then."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.account = Account(house)
        self.begun = time.monotonic()
        self._told = 0.0

    def say(self, what: str = "") -> None:
        account, now = self.account, time.monotonic()
        self._told = now
        free = f"{account.free[-1]:,} B free" if account.free else ""
        others = len(account.ended) - account.acknowledged
        print(
            f"{now - self.begun:5.0f} s  {account.acknowledged:6,} done, {others:4} expired  {free}  {what}",
            flush=True,
        )

    def step(self, short: bool = False) -> None:
        account = self.account
        # Every second one, so that others wait through the outage and come after it.
        account.order(lambda number: SHORT if short and number % 2 else LONG)
        time.sleep(0.005)
        account.collect()
        now = time.monotonic()
        assert now - self.begun < LIMIT, f"not done in {LIMIT} s: {account.states()}"
        assert now - account.last_ack < RECOVERY or short, self.house.board.log[-30:]
        if now - self._told > 5:
            self.say()

    def until(self, acknowledged: int) -> None:
        while self.account.acknowledged < acknowledged:
            self.step()

    def outage(self, one) -> None:
        self.say(f"{one.name}, {one.seconds:g} s")
        one.begin(self.house)
        end = time.monotonic() + one.seconds
        try:
            while time.monotonic() < end:
                self.step(short=True)
        finally:
            one.end(self.house)
        self.account.last_ack = time.monotonic()

    def through(self, several, commands: int) -> None:
        """All these outages, and `commands` that are acknowledged between and after them."""
        first = self.account.acknowledged
        for number, one in enumerate(several):
            self.until(first + commands * number // len(several))
            self.outage(one)
        self.until(first + commands)

    def steady(self) -> None:
        """A session long enough for the back-off to begin anew."""
        self.say("a calm minute")
        self.until(self.account.acknowledged + 1)
        end = time.monotonic() + STEADY / 1000 + 1
        while time.monotonic() < end:
            self.step()

    def drain(self) -> None:
        while self.account.open:
            self.account.collect()
            time.sleep(0.05)
            assert time.monotonic() - self.begun < LIMIT, "the last commands do not end"


def test_ten_thousand_commands_run_once_each_through_every_kind_of_outage(house):
    run = Run(house)
    account = run.account
    house.board.wait_for_log("READY", 30)
    print()
    tenth = COMMANDS // 10
    run.until(tenth)  # the first tenth and the last are calm: the heap is compared between them
    run.through(outages.SHORT, 4 * tenth)
    run.steady()
    run.through(outages.LONG, 4 * tenth)
    run.until(max(COMMANDS, account.acknowledged + tenth))
    run.drain()
    run.say("done")
    warm, last = account.free[tenth // 2 : tenth], account.free[-tenth // 2 :]
    print(f"outcomes: {dict(account.states())}")
    print(
        f"least free heap: {min(warm):,} B at first, {min(account.free):,} B ever, {min(last):,} B at the end"
    )
    assert account.lies() == []
    assert house.board.restarts == 0
    assert min(last) >= min(warm) - SLACK
