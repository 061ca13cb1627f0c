"""Canonical JSON: both dialects, at the places where the SDKs were measured and where they part."""

import json
import struct
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_sim.profiles.canonical import JAVASCRIPT, PYTHON, canonical, faithful

CASES = json.loads((Path(__file__).parent.parent / "vectors" / "sdk-vectors.json").read_text())[
    "canonical_json_edge_cases"
]


def text(value, dialect=PYTHON):
    return canonical(value, dialect).decode()


def number(value, dialect=PYTHON):
    return json.loads(text([value], dialect))[0]


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["name"] != "lone-surrogate"], ids=lambda case: case["name"]
)
def test_edge_cases_measured_on_the_sdks(case):
    value = json.loads(case["input_json"])
    wanted = {name.split("@")[0]: output for name, output in case["outputs"].items()}
    assert text(value, PYTHON) == wanted["hestialabs/hxtpy"]
    assert text(value, JAVASCRIPT) == wanted["hestialabs/hxtp-js"]


def test_a_lone_surrogate_has_no_canonical_text():
    for dialect in (PYTHON, JAVASCRIPT):
        with pytest.raises(UnicodeEncodeError):
            canonical({"a": "\ud800"}, dialect)


# What Number.prototype.toFixed(20) gave in Node, zeros and a bare point cut off the end.
JAVASCRIPT_NUMBERS = [
    (0.0, "0"),
    (-0.0, "0"),
    (1000, "1000"),
    (1.2, "1.19999999999999995559"),
    (-0.1, "-0.10000000000000000555"),
    (1e20, "100000000000000000000"),
    (999999999999999900000.0, "999999999999999868928"),
    (1e21, "1e+21"),
    (-1e21, "-1e+21"),
    (1e22, "1e+22"),
    (1.5e300, "1.5e+3"),
    (1e30, "1e+3"),
    (1e100, "1e+1"),
    (1.7976931348623157e308, "1.7976931348623157e+308"),
    (5e-324, "0"),
    (-1e-21, "-0"),
    (1e-20, "0.00000000000000000001"),
    (6e-21, "0.00000000000000000001"),
    (4.76837158203125e-7, "0.00000047683715820313"),
    (-4.76837158203125e-7, "-0.00000047683715820313"),
    (1.430511474609375e-6, "0.00000143051147460938"),
    (2.384185791015625e-6, "0.00000238418579101563"),
    (9007199254740993, "9007199254740992"),
    (123456.789, "123456.78900000000430736691"),
    (1e-7, "0.0000001"),
    (1234567.00000011920928955078125, "1234567.00000011920928955078"),
]


@pytest.mark.parametrize(("value", "wanted"), JAVASCRIPT_NUMBERS)
def test_numbers_as_javascript_writes_them(value, wanted):
    assert number(value, JAVASCRIPT) == wanted


def test_ties_at_the_last_place_part_the_dialects():
    assert number(4.76837158203125e-7, PYTHON) == "0.00000047683715820312"
    assert number(4.76837158203125e-7, JAVASCRIPT) == "0.00000047683715820313"


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**80), 2**80))
def test_numbers_are_decimals_of_the_double_with_no_zeros_behind(value):
    exact = Fraction(float(value))
    for dialect in (PYTHON, JAVASCRIPT):
        written = number(value, dialect)
        if dialect is PYTHON or abs(exact) < 10**21:
            assert "e" not in written and len(written.partition(".")[2]) <= 20
            assert abs(Fraction(written) - exact) <= Fraction(1, 2 * 10**20)
            assert "." not in written or written[-1] not in "0."
    assert number(value, PYTHON) != "-0"


@given(
    st.binary(min_size=8, max_size=8)
    .map(lambda raw: struct.unpack(">d", raw)[0])
    .filter(lambda x: x - x == 0)
)
def test_what_is_called_faithful_differs_by_less_than_the_last_place(value):
    for dialect in (PYTHON, JAVASCRIPT):
        off = abs(Fraction(number(value, dialect)) - Fraction(value))
        assert faithful(value, dialect) == (off <= Fraction(1, 10**20))
    assert faithful(value, PYTHON)


def test_numbers_that_the_text_no_longer_says():
    assert faithful(2**53, PYTHON) and not faithful(2**53 + 1, PYTHON)
    assert faithful(10**21, JAVASCRIPT) and faithful(-1e-21, JAVASCRIPT)
    assert not faithful(1e30, JAVASCRIPT) and faithful(1e30, PYTHON)


@pytest.mark.parametrize("value", [10**309, -(10**400), float("inf"), float("nan")])
def test_a_number_beyond_a_double_has_no_canonical_text(value):
    for dialect in (PYTHON, JAVASCRIPT):
        with pytest.raises(ValueError, match="double"):
            canonical({"a": value}, dialect)


def test_values_are_normalised_and_names_are_not():
    assert text({"e\u0301": "e\u0301"}) == '{"e\u0301":"\u00e9","protocol":"hxtp/3.0"}'


def test_escapes_are_those_of_json_and_no_more():
    assert text({"a": '/\\"\b\f\n\r\t\x00\x1f\x7f\u2028'}) == (
        '{"a":"/\\\\\\"\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\u2028","protocol":"hxtp/3.0"}'
    )


def test_the_order_of_names_outside_the_first_plane():
    value = {"\uffff": True, "\U0001f600": True, "a": True}
    assert list(json.loads(text(value, PYTHON))) == ["a", "protocol", "\uffff", "\U0001f600"]
    assert list(json.loads(text(value, JAVASCRIPT))) == ["a", "protocol", "\U0001f600", "\uffff"]


@pytest.mark.parametrize(
    ("there", "python", "javascript"),
    [
        ("x", '"x"', '"x"'),
        ("", '""', None),
        (None, "null", None),
        (False, "false", None),
        (0, '"0"', None),
        (0.0, '"0"', None),
        ([], "[]", "[]"),
        ({}, "{}", "{}"),
        (True, "true", "true"),
    ],
)
def test_a_protocol_member_that_is_already_there(there, python, javascript):
    assert text({"protocol": there}, PYTHON) == f'{{"protocol":{python}}}'
    kept = javascript or '"hxtp/3.0"'
    assert text({"protocol": there}, JAVASCRIPT) == f'{{"protocol":{kept}}}'


def test_protocol_goes_into_the_top_object_alone():
    assert text({"a": {}, "b": [{}]}) == '{"a":{},"b":[{}],"protocol":"hxtp/3.0"}'
    assert text([{}]) == "[{}]"
