"""Values as people type them are read as a manifest declares them, whatever the manifest looks like."""

import pytest

from host_sim.params import Problem, checked, declared

MANIFEST = {
    "capabilities": [
        {
            "action": "all",
            "paramSchema": {
                "additionalProperties": False,
                "properties": {
                    "text": {"type": "string", "maxLength": 5},
                    "whole": {"type": "integer"},
                    "any": {"type": "number"},
                    "flag": {"type": "boolean"},
                    "list": {"type": "array", "items": {"type": "integer"}, "maxItems": 3},
                },
            },
        }
    ]
}


@pytest.mark.parametrize(
    "typed, value",
    [
        ({"text": "80"}, {"text": "80"}),
        ({"text": '"a b"'}, {"text": '"a b"'}),
        ({"text": "true"}, {"text": "true"}),
        ({"whole": "-3"}, {"whole": -3}),
        ({"any": "1.5"}, {"any": 1.5}),
        ({"flag": "on"}, {"flag": True}),
        ({"flag": "false"}, {"flag": False}),
        ({"list": "1,2, 3"}, {"list": [1, 2, 3]}),
        ({"list": "[1,2]"}, {"list": [1, 2]}),
        ({"whole": 7, "list": [1]}, {"whole": 7, "list": [1]}),
    ],
)
def test_values_are_read_as_the_manifest_declares_them(typed, value):
    assert checked(MANIFEST, "all", typed) == value


@pytest.mark.parametrize(
    "typed",
    [
        {"text": "abcdef"}, {"whole": "1.5"}, {"whole": "true"}, {"whole": ""}, {"whole": "1" * 5000},
        {"any": "NaN"}, {"any": "1e999"}, {"any": "abc"}, {"flag": "1"}, {"flag": 1}, {"list": "1,x"},
        {"list": "1,2,3,4"}, {"list": "[" * 100000}, {"list": '["a"]'}, {"whole": True}, {"text": 5},
    ],
)  # fmt: skip
def test_values_that_do_not_fit_are_named(typed):
    with pytest.raises(Problem) as problem:
        checked(MANIFEST, "all", typed)
    assert problem.value.detail.startswith(next(iter(typed)) + " cannot be")


@pytest.mark.parametrize(
    "rule",
    [
        {"type": "colour"}, {"type": ["string"]}, {"minimum": 5}, {"type": "array"},
        {"type": "array", "items": {"type": "colour"}},
        {"type": "integer", "maximum": 5, "multipleOf": 2}, {"type": "string", "maxLength": 1, "x_unit": "%"},
    ],
)  # fmt: skip
def test_what_is_declared_in_words_that_are_not_known_is_for_the_device_to_check(rule):
    # HX3-MAN-16
    rules = {"new": {**rule, "required": True}, "whole": {"type": "integer", "maximum": 5, "required": True}}
    manifest = {"capabilities": [{"action": "a", "paramSchema": {"properties": rules}}]}
    assert checked(manifest, "a", {"new": "77", "whole": "5"}) == {"new": "77", "whole": 5}
    assert checked(manifest, "a", {"whole": 5}) == {"whole": 5}
    for params in ({"new": 1, "whole": 6}, {"new": 1}, {"new": 1, "whole": 5, "other": 1}):
        with pytest.raises(Problem):
            checked(manifest, "a", params)


ODD = {"type": "integer", "minimum": "z", "enum": 5, "pattern": "(a+)+$"}


@pytest.mark.parametrize(
    "manifest",
    [
        None, {}, {"capabilities": 5}, {"capabilities": [None, {}, {"action": 5}]},
        {"capabilities": [{"action": "a", "paramSchema": {"properties": {"x": {"type": "odd"}, "y": 5}}}]},
        {"capabilities": [{"action": "a", "paramSchema": {"properties": {"x": {"type": "array"}}}}]},
        {"capabilities": [{"action": "a", "paramSchema": {"properties": {"x": {"type": ["string"]}}}}]},
        {"capabilities": [{"action": "a", "paramSchema": {"properties": {"x": ODD}}}]},
    ],
)  # fmt: skip
def test_a_manifest_of_any_shape_is_survived(manifest):
    declared(manifest)
    with_x = {"x": "5"} if "x" in declared(manifest).get("a", {}) else {}
    checked(manifest, "a", with_x)


def test_without_a_manifest_values_are_what_they_are():
    values = {"n": "5", "l": "[1]", "x": 7}
    assert checked(None, "a", values) == values
