"""The JSON that we send: portable to every SDK, one text for one value."""

from check import raises
from hxtp.jsontext import dumps


def test_keys_are_sorted_and_nothing_is_padded():
    assert dumps({"b": [1, {"d": 1, "c": 2}], "a": {}, "e": []}) == '{"a":{},"b":[1,{"c":2,"d":1}],"e":[]}'


def test_plain_values():
    assert (
        dumps([None, True, False, 0, -7, 9007199254740991, "x"])
        == '[null,true,false,0,-7,9007199254740991,"x"]'
    )
    assert dumps((1, 2)) == "[1,2]"


def test_text_is_ascii_with_escapes():
    assert dumps('a"b\\c') == '"a\\"b\\\\c"'
    assert dumps("\n\x00\x7f") == '"\\u000a\\u0000\\u007f"'
    assert dumps("é€") == '"\\u00e9\\u20ac"'
    assert dumps("😀") == '"\\ud83d\\ude00"'
    assert dumps({"ü": "|/"}) == '{"\\u00fc":"|/"}'


def test_decimals_are_short_and_without_exponent():
    assert dumps([22.5, -0.25, 1.0, -0.0]) == "[22.5,-0.25,1,0]"
    assert "e" not in dumps([1e-7, 1e15, 2.5e-10])


def test_what_has_no_json_form_is_an_error():
    raises(ValueError, dumps, float("inf"))
    raises(ValueError, dumps, float("nan"))
    raises(TypeError, dumps, b"bytes")
    raises(TypeError, dumps, object())
    raises(TypeError, dumps, {1: 2})
    raises(TypeError, dumps, {"a": object()})


def test_a_number_that_a_double_does_not_hold_exactly_is_an_error():
    # HX3-WIRE-35
    for number in (9007199254740991, -9007199254740991):
        assert dumps({"n": [number]}) == '{"n":[%d]}' % number
    for number in (9007199254740992, -9007199254740992, 1 << 64, 1e20, -1e300):
        raises(ValueError, dumps, {"n": [number]})
