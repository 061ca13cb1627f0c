"""Parts, their manifest, their parameters, and what a command may not do."""

from check import raises
from hxtp import registry, schema, topics
from hxtp.errors import HxtpError
from hxtp.registry import Registry


class Lamp:
    KIND = "light"

    def __init__(self, name="light"):
        self.name = name
        self.actions = {
            "light_on": (1, "Switch on", {"brightness": {"type": "integer", "minimum": 0, "maximum": 100}}),
            "light_fail": (2, "Break", {}, "sensitive"),
            "light_refuse": (3, "Refuse", {}),
        }
        self.level = 0

    def light_on(self, params):
        self.level = params.get("brightness", 100)
        return {"was": 0} if "brightness" in params else None

    def light_fail(self, params):
        raise OSError("a wire came off")

    def light_refuse(self, params):
        raise HxtpError("INVALID_PARAMS", "colour")

    def state(self):
        return {"brightness": self.level}


def house():
    box = Registry()
    box.add(Lamp())
    box.add(Lamp("desk"))
    return box


def test_a_command_runs_on_the_first_of_its_kind_by_default():
    # HX3-MAN-17, HX3-STATE-01
    box = house()
    assert box.run("light_on", {"action": "light_on"}) == {"ack_status": "executed"}
    assert box.state() == {"brightness": 100, "desk": {"brightness": 0}}


def test_a_target_names_another_one():
    # HX3-MAN-17
    box = house()
    ack = box.run("light_on", {"target": "desk", "brightness": 5})
    assert ack == {"ack_status": "executed", "result": {"was": 0}}
    assert box.state() == {"brightness": 0, "desk": {"brightness": 5}}


def test_a_refused_command_names_its_code_and_member_and_moves_nothing():
    # HX3-CMD-05, HX3-CMD-06, HX3-MAN-12, HX3-MAN-13, HX3-MAN-18
    box = house()
    for action, params, code, member in (
        ("light_of", {}, "UNKNOWN_ACTION", None),
        ("hxtp.rotate", {}, "UNKNOWN_ACTION", None),
        ("state", {}, "UNKNOWN_ACTION", None),
        ("light_on", {"target": "cellar"}, "INVALID_PARAMS", "target"),
        ("light_on", {"target": ["desk"]}, "INVALID_PARAMS", "target"),
        ("light_on", {"target": "cellar", "transition": 1}, "INVALID_PARAMS", "target"),  # by name
        ("light_on", {"target": "cellar", "brightness": 101}, "INVALID_PARAMS", "brightness"),
        ("light_on", {"brightness": 101}, "INVALID_PARAMS", "brightness"),
        ("light_on", {"brightness": "80"}, "INVALID_PARAMS", "brightness"),
        ("light_on", {"colour": 1}, "INVALID_PARAMS", "colour"),
        ("light_refuse", {}, "INVALID_PARAMS", "colour"),
    ):
        ack = box.run(action, params)
        assert ack["ack_status"] == "failed" and ack["error"] == code and ack.get("member") == member
    assert box.state() == {"brightness": 0, "desk": {"brightness": 0}}


def test_a_dry_run_checks_everything_and_moves_nothing():
    # HX3-CMD-28, HX3-CMD-29, HX3-CMD-30
    box = house()
    assert box.run("light_on", {"brightness": 5, "dry_run": True}) == {"ack_status": "dry_run"}
    assert box.run("light_fail", {"action": "light_fail", "target": "desk", "dry_run": True}) == {
        "ack_status": "dry_run"
    }
    for action, params, code, member in (
        ("light_of", {}, "UNKNOWN_ACTION", None),
        ("light_on", {"brightness": 101}, "INVALID_PARAMS", "brightness"),
        ("light_on", {"target": "cellar"}, "INVALID_PARAMS", "target"),
    ):
        params["dry_run"] = True
        ack = box.run(action, params)
        assert ack["ack_status"] == "failed" and ack["error"] == code and ack.get("member") == member
    for odd in (False, None, 1, "true", [True]):
        ack = box.run("light_on", {"brightness": 5, "dry_run": odd})
        assert ack == {"ack_status": "failed", "error": "INVALID_PARAMS", "member": "dry_run"}
    assert box.state() == {"brightness": 0, "desk": {"brightness": 0}}


def test_another_refusal_says_why():
    # HX3-CMD-07
    box = Registry()
    part = Lamp()
    part.light_refuse = lambda params: schema_refusal()
    box.add(part)
    assert box.run("light_refuse", {}) == {
        "ack_status": "failed",
        "error": "COMMAND_INVALID",
        "detail": "too early",
    }


def schema_refusal():
    raise HxtpError("COMMAND_INVALID", "too early")


def test_a_part_that_cannot_tell_its_state_is_left_out_and_told():
    faults = []
    box = Registry(faults.append)
    for name in ("light", "desk"):
        box.add(Lamp(name))
    box.parts[0].state = lambda: [][0]
    assert box.state() == {"desk": {"brightness": 0}} and len(faults) == 1


def test_a_member_name_in_a_nack_is_cut():
    # HX3-CMD-07
    ack = house().run("light_on", {"x" * 5000: 1})
    assert len(ack["member"]) <= 64


def test_a_fault_in_a_part_is_an_internal_error_and_is_told_to_the_owner():
    # HX3-CMD-06
    faults = []
    box = Registry(faults.append)
    box.add(Lamp())
    assert box.run("light_fail", {}) == {"ack_status": "failed", "error": "INTERNAL_ERROR"}
    assert len(faults) == 1
    assert house().run("light_fail", {})["error"] == "INTERNAL_ERROR"


def test_a_result_that_cannot_be_sent_is_left_out_and_told():
    # HX3-CMD-08
    for result in ({"x": b"bytes"}, {"x": float("nan")}, {"x": 1 << 53}, {"x": "y" * 9000}):
        faults = []
        box = Registry(faults.append)
        part = Lamp()
        part.light_refuse = lambda params, result=result: result
        box.add(part)
        assert box.run("light_refuse", {}) == {"ack_status": "executed"}
        assert len(faults) == 1


def test_the_manifest_is_sorted_compact_and_lists_each_action_once():
    # HX3-MAN-01, HX3-MAN-17
    assert (
        house()
        .manifest()
        .startswith(
            '{"capabilities":[{"action":"light_fail","description":"Break","id":2,"paramSchema":'
            '{"additionalProperties":false,"properties":{"target":{"enum":["light","desk"],"type":"string"}}},'
            '"safetyClass":"sensitive","supportsDryRun":true},{"action":"light_on",'
        )
    )


def broken(**changes):
    part = Lamp("x")
    for name in changes:
        setattr(part, name, changes[name])
    return part


def test_a_declaration_that_cannot_be_used_is_refused_with_its_reason():
    # HX3-MAN-06, HX3-MAN-07, HX3-MAN-08, HX3-MAN-15
    box = house()
    for part, word in (
        (Lamp(), "named"),
        (broken(actions={"hxtp.rotate": (9, "", {})}), "protocol's own"),
        (broken(actions={"light_fly": (9, "", {})}), "no such method"),
        (broken(actions={"light_on": (1, "", {"target": {"type": "string"}})}), "target"),
        (broken(actions={"light_on": (1, "", {"action": {"type": "string"}})}), "action"),
        (broken(actions={"light_on": (1, "", {"protocol": {"type": "string"}})}), "protocol"),
        (broken(actions={"light_on": (1, "", {"dry_run": {"type": "boolean"}})}), "dry_run"),
        (broken(actions={"light_on": (1, "", {"n": {"type": "string", "pattern": "a"}})}), "pattern"),
        (broken(actions={"light_" + "o" * 40: (9, "", {})}), "32 characters"),
        (broken(actions={"light_on": (0, "", {})}), "1 to 65535"),
        (broken(actions={"light_on": (65536, "", {})}), "1 to 65535"),
        (broken(actions={"light_on": (1, "", {}, "harmless")}), "safety class"),
        (broken(actions={"light_on": (1, "", {"n": {"type": "colour"}})}), "the type of n"),
        (broken(KIND="lamp"), "hide"),
        (broken(name="brightness"), "hide"),
        (broken(KIND="lamp", state=dict), "declared twice"),
        (broken(actions={"light_on": (1, "Otherwise", {})}), "declared twice"),
        (broken(KIND="switch", state=dict, actions={"state": (1, "", {})}), "same id"),
    ):
        assert word in str(raises(ValueError, box.add, part)), word


def test_each_type_takes_its_own_values_and_nothing_is_coerced():
    # HX3-MAN-11
    good = {
        "string": ("", "a", "é"),
        "integer": (0, -5, 9007199254740991),
        "number": (0, 1.5, -2),
        "boolean": (True, False),
        "array": ([], [1, 2]),
    }
    everything = ("a", 1, 1.5, True, None, [1], {}, float("inf"), float("nan"))
    for kind in good:
        rule = {"v": {"type": kind, "items": {"type": "integer"}}}
        for value in good[kind]:
            schema.check(rule, {"v": value})
        for value in everything:
            fits = (
                (kind == "string" and value == "a")
                or (kind in ("integer", "number") and value == 1 and value is not True)
                or (kind == "number" and value == 1.5)
                or (kind == "boolean" and value is True)
                or (kind == "array" and value == [1])
            )
            if not fits:
                assert raises(HxtpError, schema.check, rule, {"v": value}).detail == "v"


def test_limits_of_each_type():
    # HX3-MAN-11, HX3-MAN-14
    def check(rule, value):
        try:
            schema.check({"v": rule}, {"v": value}, lambda pattern, text: text == pattern)
        except HxtpError:
            return False
        return True

    whole = {"type": "integer", "minimum": 1, "maximum": 3}
    assert [check(whole, v) for v in (0, 1, 3, 4)] == [False, True, True, False]
    text = {"type": "string", "minLength": 1, "maxLength": 2}
    assert [check(text, v) for v in ("", "é", "éé", "ééé")] == [False, True, True, False]
    choice = {"type": "string", "enum": ["a", "b"]}
    assert [check(choice, v) for v in ("a", "c")] == [True, False]
    pattern = {"type": "string", "pattern": "abc"}
    assert [check(pattern, v) for v in ("abc", "abd")] == [True, False]
    array = {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1, "maxItems": 2}
    assert [check(array, v) for v in ([], [1], [1, 2], [1, 2, 3], [0], ["1"])] == [
        False,
        True,
        True,
        False,
        False,
        False,
    ]


def test_a_required_parameter_is_required():
    # HX3-MAN-12
    rule = {"v": {"type": "integer", "required": True}, "w": {"type": "integer"}}
    schema.check(rule, {"v": 1})
    assert raises(HxtpError, schema.check, rule, {"w": 1}).detail == "v"


def test_topics_are_built_and_split():
    # HX3-TRANS-02
    name = topics.topic("t", "d", "cmd")
    assert name == "hxtp/t/device/d/cmd" and topics.split(name) == ("t", "d", "cmd")
    for bad in ("", "a/b", "+", "#"):
        raises(ValueError, topics.topic, bad, "d", "cmd")
        raises(ValueError, topics.topic, "t", bad, "cmd")
    for name in (
        "",
        "hxtp/t/device/d",
        "hxtp/t/device/d/cmd/x",
        "xtp/t/device/d/cmd",
        "hxtp/t/devic/d/cmd",
        "hxtp//device/d/cmd",
        "hxtp/t/device//cmd",
    ):
        assert topics.split(name) is None


def test_the_action_is_the_signed_one():
    # HX3-CMD-01, HX3-CMD-03, HX3-CMD-04
    class Command:
        action = None

    assert registry.action_of(Command, {"action": "a"}) == "a"
    Command.action = b'"a"'
    assert registry.action_of(Command, {"action": "a"}) == "a"
    assert raises(HxtpError, registry.action_of, Command, {"action": "b"}).code == "COMMAND_INVALID"
    assert raises(HxtpError, registry.action_of, Command, {}).code == "COMMAND_INVALID"
    assert registry.action_of(Command, {}, True) == "a"
    for bad in ({}, {"action": 1}, {"action": ""}, {"action": "x" * 33}, {"action": None}):
        Command.action = None
        assert raises(HxtpError, registry.action_of, Command, bad).code == "COMMAND_INVALID"
        assert raises(HxtpError, registry.action_of, Command, bad, True).code == "COMMAND_INVALID"
