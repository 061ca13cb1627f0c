"""A board that learns remotes, as it is flashed: light on its receiver becomes an action of the cloud's.

Its heap is 136 KB here, of which the stand-ins take 34: on a real board those modules are in ROM.
"""

from hashlib import sha256

from remotes import press

from capabilities.ir import commands, keep
from host_sim.board import edges
from tests.device.cloud import log

BOARD = "boards/ir-remote.json"
PIN = 27
HEAP = "136K"


def learn(one, timings, **params):
    """Order ir_learn, shine, and wait for what the state then says."""
    assert one.cloud.command("ir_learn", **params).state == "acknowledged"
    one.cloud.wait(lambda: (one.cloud.link.state or {}).get("ir_learning") == "waiting", "its beginning")
    one.board.edges(PIN, edges.of_timings(timings))
    one.cloud.wait(lambda: one.cloud.link.state["ir_learning"] != "waiting", "the end of learning")
    return one.cloud.link.state


def actions(one):
    manifest = one.cloud.link.manifest
    return [entry["action"] for entry in manifest["capabilities"]] if manifest else []


def test_a_remote_is_learned_commanded_and_still_known_after_a_power_cut(world):
    one = world(False, BOARD, heap=HEAP)
    one.board.start()
    one.cloud.wait_ready()
    assert "ir_learn" in actions(one)
    timings = press("nec", 2, address=4, command=8)
    state = learn(one, timings, name="tv_power")
    assert (state["ir_learning"], state["ir_quality"]) == ("captured", "good")
    assert state["ir_decoded"] == "nec address=4 command=8" and state["ir_kept"] == 1
    one.cloud.wait(lambda: "ir_tv_power" in actions(one), "the new manifest")
    learned = one.cloud.command("ir_learned").result["result"]
    assert learned["repeats"] == 2
    assert max(abs(a - b) for a, b in zip(learned["raw"], timings, strict=False)) <= 1
    for _ in range(2):
        since = one.board.last
        order = one.cloud.command("ir_tv_power", repeats=1)
        assert order.state == "acknowledged", order.result
        sent = one.board.wait_for(lambda event: event.ev == "rmt", since=since)
        assert sum(sent["pulses"]) == sum(press("nec", 1, address=4, command=8))
        hellos = len(one.cloud.hellos())
        one.board.power_cut()
        one.board.power_on()
        one.cloud.wait_ready(hellos + 1)
        assert "ir_tv_power" in actions(one)
    assert one.cloud.command("ir_rename", name="tv_power", to="tv").state == "acknowledged"
    one.cloud.wait(lambda: "ir_tv" in actions(one), "the new name")
    assert one.cloud.command("ir_remove", name="tv").state == "acknowledged"
    one.cloud.wait(lambda: "ir_tv" not in actions(one), "its removal")
    assert one.cloud.command("ir_tv").error == "UNKNOWN_ACTION"
    assert "Traceback" not in log(one)
    one.cloud.no_number_twice()


def test_as_many_as_can_be_kept_fit_the_heap_and_the_manifest(world):
    one = world(False, BOARD, heap=HEAP)
    folder = one.board.fs / "parts" / "ir"
    folder.mkdir(parents=True)
    names = [f"living_room_television_{n:02d}" for n in range(commands.MOST)]
    for n, name in enumerate(names):
        fields = {"encoding": "nec", "address": 4, "command": n}
        value = keep.pack(400 + n, keep.Code(fields, 38000, 40000, press("nec", address=4, command=n)))
        (folder / name).write_bytes(sha256(value).digest()[:8] + value)
    one.board.start()
    one.cloud.wait_ready()
    assert {"ir_" + name for name in names} < set(actions(one))
    assert one.cloud.command("ir_" + names[31]).state == "acknowledged"
    assert learn(one, press("sony12"))["ir_learning"] == "captured"
    order = one.cloud.command("ir_keep", name="one_more")
    assert order.error == "COMMAND_INVALID" and "32" in order.result["detail"]
    assert one.cloud.command("ir_keep", name=names[3]).state == "acknowledged"
    one.cloud.wait(lambda: one.cloud.link.manifest is not None, "a manifest")
    assert one.cloud.command("ir_learned", name=names[3]).result["result"]["id"] == 403
    assert "Traceback" not in log(one)
