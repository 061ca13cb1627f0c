"""Keeping learned commands: by name, within limits, and each offered as an action."""

from remotes import Room, press
from test_device_files import Flash

from capabilities.ir import commands
from check import cases
from hxtp.errors import HxtpError
from hxtp_device.files import Files

RAW = [3000, 900] + [400, 500, 400, 1400] * 6 + [400]


def room(flash=None, **options):
    made = Room(flash=Files("parts/ir", flash, flash.open) if flash else None, **options)
    made.part.files = made.bench.flash
    return made


def kept(room):
    return room.bench.do("ir_kept")["kept"]


def test_what_was_learned_is_kept_by_name_and_sent_as_an_action():
    one = room()
    one.learn(press("nec", address=4, command=8))
    assert one.bench.do("ir_keep", name="tv_power") == {"action": "ir_tv_power", "id": 400}
    assert one.bench.declared == 1 and one.bench.state()["ir_kept"] == 1
    assert one.bench.do("ir_tv_power") == {"duration": 69}
    one.bench.wait(500)
    one.bench.do("ir_tv_power", repeats=2)
    assert one.sent == [(38000, 33, press("nec", address=4, command=8, repeats=n)) for n in (0, 2)]
    assert '"action":"ir_tv_power"' in one.bench.registry.manifest()
    shown = one.learned(name="tv_power")
    assert shown["decoded"] == {"encoding": "nec", "address": 4, "command": 8} and shown["id"] == 400
    assert shown["raw"] == press("nec", address=4, command=8)


def test_three_commands_learn_a_remote():
    one = room()
    assert one.learn(press("samsung32", address=7, command=2), name="tv_power") == "captured"
    one.bench.do("ir_tv_power")
    assert one.sent[0][2][:67] == press("samsung32", address=7, command=2)


def test_commands_come_back_after_a_reboot_with_their_ids():
    flash = Flash()
    one = room(flash)
    for name in ("b", "a", "c"):
        one.learn(press("sony12", command=len(kept(one))), name=name)
    assert kept(one) == {"b": 400, "a": 401, "c": 402}
    one.bench.do("ir_remove", name="a")
    one.learn(press("sony12", command=9), name="d")
    again = room(flash)
    assert kept(again) == {"b": 400, "d": 401, "c": 402}
    again.bench.do("ir_d")
    assert again.sent[0][2][:25] == press("sony12", command=9)[:25] and again.sent[0][0] == 40000
    assert again.bench.refused("ir_a") == ("UNKNOWN_ACTION", None)


def test_raw_is_kept_as_it_came_with_its_carrier_and_its_own_repeats():
    one = room()
    again = [3000, 1800] + [400, 500] * 5 + [400]
    one.learn(RAW + ([41008] + again) * 2)
    one.bench.do("ir_keep", name="fan", freq_khz=36.7)
    one.bench.do("ir_fan")
    one.bench.wait(1000)
    one.bench.do("ir_fan", repeats=2)
    assert one.sent[0] == (36700, 33, RAW)
    assert one.sent[1] == (36700, 33, RAW + [41008] + (again + [41008]) * 2)
    # Timings can be kept where a protocol is known, too.
    one.learn(press("nec"))
    one.bench.do("ir_keep", name="as_timings", raw=True)
    assert "decoded" not in one.learned(name="as_timings")
    one.bench.wait(1000)
    one.bench.do("ir_as_timings", repeats=1)
    assert one.sent[2] == (38000, 33, (press("nec") + [40000]) * 2)


def test_a_toggle_bit_goes_on_changing():
    one = room()
    one.learn(press("rc5", address=3, command=4, toggle=1), name="up")
    heard = []
    for _ in range(3):
        one.bench.do("ir_up")
        one.bench.wait(300)
        heard.append(one.sent.pop()[2][:-1])
    assert heard[0] == heard[2] != heard[1]


def test_names_that_cannot_be_are_refused():
    one = room()
    one.learn(press("nec"))

    def judge(name, code, word):
        for action, given in (("ir_keep", {"name": name}), ("ir_learn", {"name": name})):
            refusal = one.bench.refused(action, **given)
            assert refusal[0] == code and word in refusal[1], refusal

    names = ("", "TV", "1st", "_x", "tv-power", "tv power", "x" * 30, "tv/../x", "t\u00e4st", 5)
    cases([(name, "INVALID_PARAMS", "name") for name in names], judge)
    fixed = ("send", "learn", "kept", "send_nec", "remove")
    cases([(name, "COMMAND_INVALID", "ir_%s is an action already" % name) for name in fixed], judge)
    one.bench.do("ir_keep", name="x" * 29)


def test_renaming_keeps_the_id_and_refuses_what_makes_no_sense():
    flash = Flash()
    one = room(flash)
    one.learn(press("nec"), name="a")
    one.learn(press("nec"), name="b")
    one.bench.do("ir_rename", name="b", to="c")
    assert kept(one) == kept(room(flash)) == {"a": 400, "c": 401}
    one.bench.do("ir_c")
    refused = one.bench.refused
    assert refused("ir_b") == ("UNKNOWN_ACTION", None)
    assert refused("ir_rename", name="b", to="d") == ("INVALID_PARAMS", "name")
    assert refused("ir_rename", name="a", to="D") == ("INVALID_PARAMS", "to")
    for to in ("a", "c"):
        assert refused("ir_rename", name="a", to=to) == ("COMMAND_INVALID", "ir_%s is there already" % to)
    assert "action already" in refused("ir_rename", name="a", to="send")[1]
    assert refused("ir_remove", name="b") == ("INVALID_PARAMS", "name")


def test_removing_while_a_button_is_waited_for_is_no_matter():
    one = room()
    one.learn(press("nec"), name="a")
    one.bench.do("ir_learn", name="a")
    one.bench.do("ir_remove", name="a")
    one.wait(50)
    one.light(press("nec", command=3))
    one.wait(700)
    assert kept(one) == {"a": 400}


def test_learning_a_name_again_replaces_it():
    flash = Flash()
    one = room(flash)
    one.learn(press("nec", command=1), name="a")
    one.learn(press("nec", command=2), name="a")
    assert kept(one) == {"a": 400}
    assert room(flash).learned(name="a")["decoded"]["command"] == 2


def test_a_bad_capture_does_not_replace_what_is_kept():
    one = room()
    one.learn(press("nec", command=1), name="a")
    two = press("nec", command=2) + [200000] + press("nec", command=3)
    assert one.learn(two, name="a") == "different"
    assert one.learned(name="a")["decoded"]["command"] == 1


def test_there_is_a_limit_on_the_number_and_on_the_bytes():
    one = room()
    one.part.kept = {"c%d" % number: (400 + number, 100) for number in range(commands.MOST)}
    one.learn(press("nec"))
    for action in ("ir_keep", "ir_learn"):
        code, why = one.bench.refused(action, name="more")
        assert code == "COMMAND_INVALID" and "32 commands" in why
    one.part.kept = {"a": (400, commands.ROOM - 100)}
    assert "no room in flash" in one.bench.refused("ir_keep", name="more")[1]
    one.part.kept = {"a": (400, 30)}
    one.bench.do("ir_keep", name="more")


def test_a_manifest_without_room_refuses_and_keeps_nothing():
    flash = Flash()
    one = room(flash)
    one.learn(press("nec"))

    def full(part):
        if len(part.kept) > 0:
            raise HxtpError("COMMAND_INVALID", "the manifest has no room for more actions")

    one.bench.declare = full
    assert "manifest" in one.bench.refused("ir_keep", name="a")[1]
    assert "ir_a" not in one.part.actions and kept(room(flash)) == {}
    # Where the name came with ir_learn, the answer tells.
    assert one.learn(press("nec"), name="a") == "captured"
    assert "not kept: the manifest" in one.learned()["reason"]
