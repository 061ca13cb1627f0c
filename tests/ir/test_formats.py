"""Formats: what goes out comes back, or what was lost is told; what is no such text is refused by name."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities.ir import codecs
from host_sim import ROOT
from host_sim.ir import cli, formats, show
from host_sim.ir.signals import FormatError, Signal, from_fields, from_timings


@st.composite
def presses(draw):
    protocol = draw(st.sampled_from(sorted(codecs.MODULES)))
    bounds = codecs.module(protocol).FIELDS[protocol]
    return {"protocol": protocol, **{name: draw(st.integers(*ends)) for name, ends in bounds.items()}}


TIMINGS = st.lists(st.integers(100, 60000), min_size=1, max_size=200)
SIGNALS = st.one_of(
    presses().map(lambda fields: from_fields("Power", **fields)),
    st.builds(from_timings, st.just("Power"), st.sampled_from((36000, 38000, 40000, 36700)), TIMINGS),
)


@pytest.mark.parametrize("name", formats.NAMES)
@given(signal=SIGNALS)
def test_a_round_trip_is_lossless_or_says_what_was_lost(name, signal):
    module = formats.module(name)
    try:
        text, lost = module.dump([signal])
    except FormatError as refusal:
        assert "Power" in str(refusal)
        return
    (back,) = module.load(text)
    assert back.name == "Power"
    if not lost:
        assert (back.once, back.again) == (signal.once, signal.again)
        assert abs(back.carrier - signal.carrier) <= 1
    elif signal.fields and name not in ("pronto", "broadlink") and not signal.fields.get("toggle"):
        assert codecs.decode(list(back.once)[: codecs.frames(list(back.once))[0][1]]) is not None


@pytest.mark.parametrize("name", formats.NAMES)
@given(text=st.one_of(st.text(), st.text('0123456789abcdefA+/=:,- {}[]"\n')))
def test_arbitrary_text_is_refused_and_never_crashes(name, text):
    try:
        signals = formats.module(name).load(text)
    except FormatError:
        return
    assert all(isinstance(signal, Signal) for signal in signals)


@given(fields=presses(), data=st.data())
def test_frames_are_read_back_under_noise(fields, data):
    codec = codecs.module(fields["protocol"])
    clean = codec.encode(fields)
    heard = [data.draw(st.integers(us * 80 // 100 + 1, (us * 120 - 1) // 100)) for us in clean]
    assert codec.decode(heard) == codec.decode(clean)
    assert codec.decode(clean) in codecs.readings(heard)


@given(timings=st.lists(st.integers(0, 2_000_000), max_size=300))
def test_arbitrary_trains_never_crash_a_codec(timings):
    for start, end in codecs.frames(timings):
        codecs.readings(timings[start:end])
    for protocol in codecs.MODULES:
        assert codecs.module(protocol).decode(timings) is None or len(timings) <= 100


def test_flippers_own_form_is_read_and_written():
    text = "Filetype: IR signals file\nVersion: 1\n#\nname: Power\ntype: parsed\nprotocol: NEC\n"
    text += "address: 04 00 00 00\ncommand: 08 00 00 00\n"
    (signal,) = formats.module("flipper").load(text)
    assert signal.fields == {"protocol": "nec", "address": 4, "command": 8}
    assert formats.module("flipper").dump([signal]) == (text, [])


def test_tasmotas_data_is_what_goes_over_the_air():
    """LG televisions speak NEC: their power is known as 0x20DF10EF, address 4 and command 8."""
    signal = from_fields("Power", "nec", address=4, command=8)
    text, lost = formats.module("tasmota").dump([signal])
    assert not lost
    row = json.loads(text.partition("IRSend ")[2])
    assert row == {"Protocol": "NEC", "Bits": 32, "Data": "0x20DF10EF", "DataLSB": "0x04FB08F7", "Repeat": 0}
    sony = formats.module("tasmota").dump([from_fields("Power", "sony12", address=1, command=21)])[0]
    assert '"Data": "0xA90"' in sony and '"Repeat": 2' in sony  # Sony's power, as every table has it


def test_irdb_names_are_translated():
    head = "functionname,protocol,device,subdevice,function\n"
    rows = "A,NEC1,4,-1,8\nB,NECx2,7,7,2\nC,Sony12,1,-1,21\nD,RC5,0,-1,12\nE,RC5,0,-1,70\n"
    found = [signal.fields for signal in formats.module("irdb").load(head + rows)]
    assert [fields["protocol"] for fields in found] == ["nec", "samsung32", "sony12", "rc5", "rc5x"]
    with pytest.raises(FormatError, match="Aiwa"):
        formats.module("irdb").load(head + "A,Aiwa,4,-1,8\n")


@pytest.mark.parametrize("name", ["pronto", "broadlink", "tasmota", "flipper", "esphome"])
@pytest.mark.parametrize("label", ["a: b", "a\nb", "#a", "", " a"])
def test_a_name_that_would_come_back_as_another_is_refused(name, label):
    with pytest.raises(FormatError, match="name"):
        formats.module(name).dump([from_fields(label, "nec", address=4, command=8)])


def test_hos_takes_hz_for_what_it_is():
    for row in ({"freq_khz": 38, "raw": [500, 500]}, {"freq": 38000, "raw": [500, 500]}):
        (signal,) = formats.module("hos").load(json.dumps({"irCommands": {"X": row}}))
        assert signal.carrier == 38000 and signal.once == (500, 500)


def test_a_frame_is_shown_bit_by_bit():
    drawn = show.text(from_fields("Power", "nec", address=4, command=8))
    for part in ("address      00100000", "~address     11011111", "command      00010000", "nec: address 4"):
        assert part in drawn
    rc5 = show.text(from_fields("Power", "rc5", address=5, command=12, toggle=1))
    for part in ("start        11", "toggle       1", "address      00101", "command      001100"):
        assert part in rc5
    rc6 = show.text(from_fields("Power", "rc6", address=5, command=12, toggle=1))
    for part in ("mode         000", "toggle       1", "address      00000101", "command      00001100"):
        assert part in rc6
    assert show.svg(from_fields("<Power>", "nec", address=4, command=8)).count("&lt;Power&gt;") == 1


def test_the_command_converts_shows_and_says_what_is_wrong(tmp_path, capsys):
    file = tmp_path / "tv.ir"
    file.write_text(formats.module("flipper").dump([from_fields("Power", "nec", address=4, command=8)])[0])
    assert cli.main(["convert", "--from", "flipper", "--to", "broadlink", str(file)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Power: JgB") and "lost: Power" in err
    assert cli.main(["list", "--from", "flipper", str(file)]) == 0
    assert "'address': 4" in capsys.readouterr().out
    assert cli.main(["show", "--from", "flipper", "--svg", str(file)]) == 0
    assert capsys.readouterr().out.startswith("<svg")
    assert cli.main(["show", "--from", "flipper", "--name", "Off", str(file)]) == 1
    assert "Power" in capsys.readouterr().err
    assert cli.main(["list", "--from", "pronto", str(file)]) == 1
    assert "ir: " in capsys.readouterr().err


def test_the_command_runs_where_there_is_no_board():
    text = formats.module("hos").dump([from_fields("Power", "rc6", address=5, command=12)])[0]
    done = subprocess.run(
        [sys.executable, "-m", "host_sim", "ir", "list", "--from", "hos", "-"],
        cwd=ROOT,
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and "'protocol': 'rc6'" in done.stdout, done.stderr
