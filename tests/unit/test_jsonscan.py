"""The strict scan: which bytes are a message at all, the same on every runtime."""

from check import raises
from hxtp import jsonscan
from hxtp.errors import HxtpError


def code_of(data):
    return raises(HxtpError, jsonscan.scan, data, 0).code


def refused(*texts):
    for text in texts:
        assert code_of(text) == "FRAME_JSON_INVALID", text


def accepted(*texts):
    for text in texts:
        jsonscan.scan(text, 0)


def test_members_are_the_bytes_that_arrived():
    # HX3-WIRE-19
    members = jsonscan.scan(b' {"a" : 1.50 ,\t"b":{ "z":1, "a":[ ] },"c":"\\u0041"}\r\n', 0)
    assert members == {b"a": b"1.50", b"b": b'{ "z":1, "a":[ ] }', b"c": b'"\\u0041"'}


def test_the_scan_starts_behind_a_header():
    assert jsonscan.scan(b'HX345678{"a":1}', 8) == {b"a": b"1"}


def test_every_json_value_is_passed():
    accepted(
        b"{}",
        b'{"a":[]}',
        b'{"a":[1,[2,{}],{"b":[]}]}',
        b'{"a":true,"b":false,"c":null}',
        b'{"a":0,"b":-0,"c":-1.5e+10,"d":1E5,"e":0.0,"f":9e-1}',
        b'{"a":"","":1}',
        b'{"a":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9"}',
        '{"a":"é€😀"}'.encode(),
        b'{"a":"\x7f"}',
    )


def test_anything_but_one_object_is_refused():
    # HX3-WIRE-12
    refused(
        b"", b" ", b"null", b"[]", b'"a"', b"1", b"{}{}", b"{} x", b"{}\x00", b"{}\x0b", b"\xef\xbb\xbf{}"
    )


def test_every_truncation_is_refused():
    # HX3-WIRE-12
    text = b'{"a":{"b":[1,-2.5e+3,"x\\u00e9\\\\",true,null,{"c":false}]},"d":"e"}'
    accepted(text)
    for size in range(len(text)):
        refused(text[:size])


def test_an_escape_somewhere_changes_nothing_elsewhere():
    # HX3-WIRE-12, HX3-WIRE-13
    good = (
        b'{"a":"b","c":"d"}',
        b'{"a":"b","c":{"d":"e","":"f","g":["h","i"]},"j":"k","l":7}',
        b'{ "a" : "b" , "c":"d" , "e" : [ "f" , { } ] }',
        b'{"a":"","":""}',
    )
    bad = (
        b'{"a":"b",}',
        b'{"a":"b",,"c":"d"}',
        b'{"a":"b"]',
        b'{"a":"b"}}',
        b'{"a":"b""c":"d"}',
        b'{"a":"b","c"}',
        b'{"a":"b","c","d"}',
        b'{"a":"b","c":"d":"e"}',
        b'{"a":"b","a":"c"}',
        b'{"a":"b","c":{"d":"e","d":"f"}}',
        b'{"a":"b","c":{"":"e","f":"g","":"h"}}',
        b'{"a":["b"}',
        b'{"a":{"b":"c"]}',
        b'{"a":"b","c":"d',
    )
    for start in (0, 8):
        head = b"HX345678"[:start]
        for escape in (b"", b'"x":"\\n",', b'"x":"\xc3\xa9",', b'\n"x":"y",'):
            for text in good:
                jsonscan.scan(head + b"{" + escape + text[1:], start)
            for text in bad:
                text = head + b"{" + escape + text[1:]
                assert raises(HxtpError, jsonscan.scan, text, start).code == "FRAME_JSON_INVALID", text
            whole = head + b"{" + escape + good[1][1:]
            for size in range(start, len(whole)):
                assert raises(HxtpError, jsonscan.scan, whole[:size], start).code.startswith("FRAME_"), size


def test_broken_grammar_is_refused():
    # HX3-WIRE-12
    refused(
        b"{,}",
        b'{"a"}',
        b'{"a":}',
        b'{"a":1,}',
        b'{"a":1 "b":2}',
        b'{"a" 1}',
        b"{a:1}",
        b"{'a':1}",
        b"{1:2}",
        b'{"a":[1,]}',
        b'{"a":[,1]}',
        b'{"a":[1 2]}',
        b'{"a":tru}',
        b'{"a":nul}',
        b'{"a":True}',
        b'{"a":x}',
        b'{"a":1]',
        b'{"a":[1}',
        b'{"a":{"b":1]}',
        b'{"a":"}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":undefined}',
        b'{"a":1;"b":2}',
        b'{"a":{"b";1}}',
        b'{"a":{"b":1;}}',
        b'{"a":{b:1}}',
    )


def test_numbers_follow_the_grammar():
    # HX3-WIRE-16
    refused(
        b'{"a":01}',
        b'{"a":-}',
        b'{"a":+1}',
        b'{"a":.5}',
        b'{"a":1.}',
        b'{"a":1e}',
        b'{"a":1e+}',
        b'{"a":--1}',
        b'{"a":0x1}',
        b'{"a":1_0}',
    )


def test_a_number_is_at_most_512_bytes():
    # HX3-WIRE-16
    accepted(b'{"a":' + b"1" * 512 + b"}")
    refused(b'{"a":' + b"1" * 513 + b"}")
    for size in range(20, 30):
        digits = b"1" * size
        members = jsonscan.scan(b'{"a":%s,"b":-%s.%se-%s}' % (digits, digits, digits, digits), 0)
        assert members == {b"a": digits, b"b": b"-%s.%se-%s" % (digits, digits, digits)}
        refused(b'{"a":%s.}' % digits, b'{"a":0%s}' % digits, b'{"a":%s-}' % digits)


def test_strings_hold_no_control_characters_and_no_unknown_escapes():
    # HX3-WIRE-17, HX3-WIRE-18
    refused(b'{"a":"\x00"}', b'{"a":"\x1f"}', b'{"a":"\n"}', b'{"\t":1}', b'{"a":{"\x01":1}}')
    refused(
        b'{"a":"\\x"}',
        b'{"a":"\\u12"}',
        b'{"a":"\\u12g4"}',
        b'{"a":"\\U0041"}',
        b'{"a":"\\u 041"}',
        b'{"a":"\\u+041"}',
    )


def test_lone_surrogates_are_refused_and_pairs_are_joined():
    # HX3-WIRE-17
    refused(
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00"}',
        b'{"a":"\\ud800x"}',
        b'{"a":"\\ud800\\u0041"}',
        b'{"a":"\\ud800\\n12345"}',
        b'{"a":{"\\ud800":1}}',
    )
    accepted(b'{"a":"\\ud83d\\ude00"}')
    assert jsonscan.loads(b'"\\uD83D\\uDE00 \\\\ud83d \\n"') == "😀 \\ud83d \n"


def test_duplicate_names_are_refused_at_any_depth():
    # HX3-WIRE-13
    refused(b'{"a":1,"a":2}', b'{"a":{"b":1,"b":2}}', b'{"a":[{"b":1,"c":2,"b":3}]}', b'{"a":{"":1,"":2}}')
    accepted(b'{"a":{"b":1},"b":{"a":1}}', b'{"a":{"ab":1,"b":2,"a":3,"":4}}')


def test_escapes_cannot_hide_a_duplicate_name():
    # HX3-WIRE-13
    refused(b'{"a":{"b":1,"\\u0062":2}}', b'{"a":{"\\ud83d\\ude00":1,"' + "😀".encode() + b'":2}}')
    accepted(b'{"a":{"b":1,"\\\\u0062":2,"\\"":3,"\\n":4}}')


def test_a_backslash_in_a_top_level_name_is_refused():
    # HX3-WIRE-14
    refused(b'{"par\\u0061ms":1}', b'{"a\\\\":1}')


def test_nesting_ends_at_sixteen():
    # HX3-WIRE-15
    accepted(b'{"a":' + b"[" * 15 + b"]" * 15 + b"}", b'{"a":' * 16 + b"1" + b"}" * 16)
    refused(b'{"a":' + b"[" * 16 + b"]" * 16 + b"}", b'{"a":' * 17 + b"1" + b"}" * 17)
    refused(b'{"a":' + b"[" * 16000)


def test_backslashes_before_a_quote_are_counted():
    accepted(b'{"a":"\\\\"}', b'{"a":"\\\\\\""}', b'{"a":"' + b"\\\\" * 500 + b'"}')
    refused(b'{"a":"\\"}', b'{"a":"' + b"\\\\" * 500 + b'\\"}')


NOT_UTF8 = (
    b"\x80",
    b"\xbf",
    b"\xc0\xaf",
    b"\xc1\xbf",
    b"\xc3",
    b"\xc3A",
    b"\xe2\x82",
    b"\xe0\x80\xaf",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xf0\x80\x80\xaf",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xfe",
    b"\xff",
)


def test_text_that_is_not_utf8_is_refused_as_such():
    # HX3-WIRE-11
    for bad in NOT_UTF8:
        assert code_of(b'{"a":"' + bad + b'"}') == "FRAME_UTF8_INVALID", bad
    accepted(b'{"a":"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"}')


def test_the_strict_check_does_not_lean_on_the_decoder_of_the_platform():
    # HX3-WIRE-11
    for bad in NOT_UTF8:
        assert raises(HxtpError, jsonscan._character, bad + b"x", 0).code == "FRAME_UTF8_INVALID", bad


def test_thousands_of_members_are_told_apart_in_little_memory():
    text = b'{"a":{' + b",".join([b'"%d":1' % i for i in range(1200)]) + b"}}"
    accepted(text)
    refused(text[:-2] + b',"777":1}}')


def test_unescape_leaves_plain_text_alone():
    assert jsonscan.unescape(b"plain") == b"plain"
    assert raises(HxtpError, jsonscan.unescape, b"\\").code == "FRAME_JSON_INVALID"
