"""Frames against independent libraries (goldens.json, made by make_goldens.py) and published descriptions."""

import json
from pathlib import Path

import pytest

from capabilities.ir import codecs

ROWS = json.loads(Path(__file__).with_name("goldens.json").read_text())


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: " ".join(map(str, [row["source"].split()[0], *row["fields"].values()]))
)
def test_a_frame_is_the_one_that_others_send(row):
    fields, timings = row["fields"], row["timings"]
    made = codecs.module(fields["protocol"]).encode(fields)
    # Units are rounded differently: 562.5, 562 or 560 us, 432.4 or 432.
    assert len(made) == len(timings)
    for ours, theirs in zip(made, timings, strict=True):
        assert abs(ours - theirs) <= max(1, theirs * 0.004), (made, timings)
    assert codecs.decode(timings) == fields


def spaces(text, zero, one):
    return [one if bit == "1" else zero for bit in text.replace(" ", "")]


def test_a_jvc_frame_is_the_published_one():
    """SB-Projects' "JVC Protocol": 8.4 ms, 4.2 ms, bits of 1.05 and 2.10 ms with marks of 526 us, least
    significant first, its picture's address 0x59 and command 0x35; and LIRC's JVC remotes.
    """
    made = codecs.module("jvc").encode({"address": 0x59, "command": 0x35})
    assert made[:2] == [8400, 4200] and len(made) == 35
    assert set(made[2::2]) == {526}
    assert made[3::2] == spaces("10011010 10101100", 526, 1578)
    held, sends = codecs.module("jvc").train({"address": 0x59, "command": 0x35}, 2)
    assert sends == 1
    assert held[:35] == made and held[36:69] == made[2:] and held[70:103] == made[2:]
    for start in (36, 70):
        assert 50000 <= sum(held[start : start + 34]) <= 60000


def test_an_lg_frame_is_the_published_one():
    """Arduino-IRremote's ir_LG.hpp: 8 bits of address, 16 of command, 4 of checksum (the sum of the command's
    nibbles), most significant first; LG's air conditioner off is 0x88C0051 there and in IRremoteESP8266.
    """
    made = codecs.module("lg").encode({"address": 0x88, "command": 0xC005})
    assert made[:2] == [9000, 4500] and len(made) == 59
    assert made[3::2] == spaces(f"{0x88C0051:028b}", 560, 1690)
