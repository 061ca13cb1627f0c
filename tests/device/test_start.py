"""boot.py and main.py on a virtual board: what a maker sees when something is missing or broken."""

import json
import os
import signal

import pytest

from host_sim.board import VirtualBoard
from hxtp_device.guard import LIMIT
from tests.device.cloud import SECRET, hxtp_json

BOARD = "boards/demo-relay.json"
BROKEN = """
class Capability:
    def __init__(self, *args):
        raise RuntimeError("a bug")
"""
# A mistake that a part finds in its options, told as the settings tell theirs. By then the program dropped
# the module of the settings, and the part loads it anew: its SettingsError is none that main.py knows.
WRONG = """
from capabilities import Part
from hxtp_device.settings import SettingsError
class Capability(Part):
    KIND = "mine"
    ACTIONS = {}
    def __init__(self, name, options, context):
        super().__init__(name, context)
        if options.pop("tone") not in ("deep", "high"):
            raise SettingsError('"tone" must be deep or high')
"""
# A part whose program hangs at its very first tick, so that the watchdog bites; and one that resets at once.
HANGING = """
import time
from capabilities import Part
class Hanging(Part):
    KIND = "hanging"
    ACTIONS = {}
    def __init__(self, name, options, context):
        super().__init__(name, context)
    def tick(self, now):
        while True:
            time.sleep_ms(50)
Capability = Hanging
"""
# One that fails four times in its constructor, and hangs there the fifth time.
HANGING_AS_MADE = """
import machine
import time
from capabilities import Part
class Hanging(Part):
    KIND = "hanging"
    ACTIONS = {}
    def __init__(self, name, options, context):
        super().__init__(name, context)
        with open("starts", "a") as file:
            file.write("x")
        with open("starts") as file:
            if len(file.read()) < 5:
                machine.reset()
        while True:
            time.sleep_ms(50)
Capability = Hanging
"""
RESETTING = """
import machine
from capabilities import Part
class Resetting(Part):
    KIND = "resetting"
    ACTIONS = {}
    def __init__(self, name, options, context):
        super().__init__(name, context)
        machine.Pin(26, machine.Pin.OUT, value=1)
    def tick(self, now):
        machine.reset()
Capability = Resetting
"""


MINE = hxtp_json(1883, "boards/mine.json")


def parts(**entry):
    return json.dumps({"device_type": "x", "parts": [entry]})


# Files with a mistake, what the console says of it, and what the maker who has read that writes instead.
MISTAKES = {
    "no JSON": ({"hxtp.json": "["}, "hxtp.json is no JSON object", {"hxtp.json": MINE}),
    "an option": (
        {"boards/mine.json": parts(kind="relay", pin=26, colour="red")},
        "unknown option 'colour'",
        {"boards/mine.json": parts(kind="relay", pin=26)},
    ),
    "told by a part": (
        {"boards/mine.json": parts(kind="mine", tone="low"), "capabilities/mine.py": WRONG},
        "part 'mine': \"tone\" must be deep or high",
        {"boards/mine.json": parts(kind="mine", tone="deep")},
    ),
}


@pytest.fixture(params=["cpython", "micropython"])
def board(request, tmp_path):
    if request.param == "micropython":
        request.getfixturevalue("micropython")
    made = []

    def make(**files):
        made.append(VirtualBoard(tmp_path / "flash", runtime=request.param, files=files))
        return made[0]

    yield make
    for one in made:
        one.stop()


def ended(board, how="end"):
    board.start()
    event = board.wait_for(lambda event: event.ev in ("end", "crash"), 60)
    assert event.ev == how, board.log
    board.wait_for_log("the firmware has ended")
    return "\n".join(board.log)


def touched(board):
    return [event for event in board.trace if event.ev in ("pin", "pwm", "neopixel", "rmt")]


def test_without_settings_it_says_what_to_copy_and_leaves_the_prompt(board):
    one = board()
    log = ended(one)
    assert "hxtp.json is not on the board" in log and "mpremote cp hxtp.json :hxtp.json" in log
    assert "Traceback" not in log
    assert touched(one) == [] and not [event for event in one.trace if event.ev == "wdt"]


@pytest.mark.parametrize("text", ["", "[]", "{", "not json", "null"])
def test_settings_that_are_no_json_are_told_without_a_traceback(board, text):
    log = ended(board(**{"hxtp.json": text}))
    assert "hxtp: " in log and "Traceback" not in log


def test_a_mistake_in_the_settings_is_told_without_the_secret(board):
    log = ended(board(**{"hxtp.json": hxtp_json(1883, BOARD, watchdog="often")}))
    assert '"watchdog" must be' in log
    assert SECRET.hex() not in log and "not-a-secret" not in log and "Traceback" not in log


def test_a_board_without_its_file_is_told(board):
    log = ended(board(**{"hxtp.json": hxtp_json(1883, "boards/mine.json")}))
    assert "boards/mine.json is not on the board" in log and "Traceback" not in log


def test_board_data_that_cannot_be_used_are_told(board):
    data = json.dumps({"device_type": "x", "parts": [{"kind": "relay", "pin": 26, "colour": "red"}]})
    log = ended(board(**{"hxtp.json": hxtp_json(1883, "boards/mine.json"), "boards/mine.json": data}))
    assert "colour" in log and "Traceback" not in log


def test_more_actions_than_a_manifest_can_hold_are_told(board):
    capability = """
from capabilities import Part
class Capability(Part):
    KIND = "mine"
    ACTIONS = {"act%d" % n: (1000 + n, "x" * 200, {}) for n in range(45)}
    def __init__(self, name, options, context):
        super().__init__(name, context)
for n in range(45):
    setattr(Capability, "act%d" % n, lambda self, params: None)
"""
    data = json.dumps({"device_type": "x", "parts": [{"kind": "mine"}]})
    files = {"boards/mine.json": data, "capabilities/mine.py": capability}
    log = ended(board(**{"hxtp.json": hxtp_json(1883, "boards/mine.json"), **files}))
    assert "the manifest has no room for more actions" in log and "Traceback" not in log


def test_a_status_led_on_a_pin_that_the_chip_lacks_is_told(board):
    data = json.dumps({"device_type": "x", "status_led": 24, "parts": []})
    log = ended(board(**{"hxtp.json": hxtp_json(1883, "boards/mine.json"), "boards/mine.json": data}))
    assert '"status_led": GPIO 24 cannot be used' in log and "Traceback" not in log


def test_a_certificate_that_is_none_is_told(board):
    pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    settings = hxtp_json(1883, BOARD, mqtt="mqtts://127.0.0.1:1", ca="ca.pem")
    log = ended(board(**{"hxtp.json": settings, "ca.pem": pem}))
    assert '"ca" holds no usable certificate' in log and "Traceback" not in log


def test_a_bug_in_a_capability_leaves_the_prompt_with_its_traceback(board):
    data = json.dumps({"device_type": "x", "parts": [{"kind": "mine"}]})
    files = {
        "hxtp.json": hxtp_json(1883, "boards/mine.json"),
        "boards/mine.json": data,
        "capabilities/mine.py": BROKEN,
    }
    one = board(**files)
    ended(one, "crash")
    assert "RuntimeError: a bug" in "\n".join(one.log)
    assert "10 minutes" in "\n".join(one.log)
    # The watchdog watched while the part was made, and leaves the prompt alone for longer than those minutes.
    assert [event["timeout_ms"] for event in one.trace if event.ev == "wdt"] == [30000, 3600000]


def make_safe_mode(board, capability):
    data = json.dumps({"device_type": "x", "parts": [{"kind": "mine"}]})
    files = {
        "hxtp.json": hxtp_json(1883, "boards/mine.json", watchdog=1),
        "boards/mine.json": data,
        "capabilities/mine.py": capability,
    }
    one = board(**files)
    one.start()
    one.wait_for_log("10 minutes", 60)
    return one


@pytest.mark.parametrize(
    "capability", [HANGING, RESETTING, HANGING_AS_MADE], ids=["watchdog", "reset", "watchdog as it is made"]
)
def test_five_failed_starts_lead_to_safe_mode_which_touches_no_pin(board, capability):
    one = make_safe_mode(board, capability)
    assert "\n".join(one.log).count("SAFE MODE") == 1
    assert one.restarts == 5
    last = max(event.boot for event in one.trace)
    events = [event for event in one.trace if event.boot == last]
    assert not [event for event in events if event.ev in ("pin", "pwm", "wdt", "wifi")]
    assert one.powered


def test_after_safe_mode_a_power_cycle_tries_again_at_once(board):
    one = make_safe_mode(board, RESETTING)
    one.power_cut()
    since = one.last
    one.power_on()
    one.wait_for(lambda event: event.ev == "pin" and event["pin"] == 26, 30, since)


def bite(board):
    """The watchdog's reset, without the hour until it comes: what it sends the board's process."""
    starts = board.restarts
    os.kill(board.pid, signal.SIGALRM)
    board.wait_until(lambda: board.restarts > starts, 30)


def idle(board, starts):
    """Wait until the program has ended at each of so many starts, and the prompt is left."""
    board.wait_until(lambda: sum("the firmware has ended" in line for line in board.log) == starts, 60)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_after_every_reset_by_the_watchdog_until_it_is_corrected(board, mistake):
    wrong, told, right = MISTAKES[mistake]
    one = board(**{"hxtp.json": MINE, "boards/mine.json": parts(kind="relay", pin=26), **wrong})
    one.start()
    for starts in range(1, LIMIT + 3):
        idle(one, starts)
        assert sum(told in line for line in one.log) == starts, one.log
        log = "\n".join(one.log)
        assert "Traceback" not in log and "SAFE MODE" not in log and "10 minutes" not in log
        if starts > LIMIT + 1:
            one.place(None, right)
        bite(one)
    one.wait_for(lambda event: event.ev == "wifi", 30)


def test_what_a_part_raises_beside_a_mistake_is_a_failed_start_and_five_lead_to_safe_mode(board):
    one = board(**{"hxtp.json": MINE, "boards/mine.json": parts(kind="mine"), "capabilities/mine.py": BROKEN})
    one.start()
    for starts in range(1, LIMIT + 1):
        idle(one, starts)
        assert sum("RuntimeError: a bug" in line for line in one.log) == starts
        bite(one)
    idle(one, LIMIT + 1)
    assert sum("SAFE MODE" in line for line in one.log) == 1
    assert sum("RuntimeError: a bug" in line for line in one.log) == LIMIT
