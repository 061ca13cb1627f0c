"""Bad input ends with one clear line and a status: never with a traceback, nor with the memory full."""

import contextlib
import io
import json
import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from host_sim.ir import cli, formats, reading, yamltree
from host_sim.ir.signals import FormatError, Signal


def words(text):
    return st.sampled_from(text.split(" "))


WORDS = words(
    """{ } [ ] : , " ' - + # & * ! | > NaN Infinity null true 0x 1e999 -1 0 """
    "99999999999999999999 \x00 \u2028 é 😀 \n "
    "\u2028 é 😀 \n "
    "name type raw parsed protocol NEC RC6 address command data frequency duty_cycle "
    "code Protocol Bits Data Repeat irCommands freq_khz timings modulation repeat_count IRSend raw, "
    "0000 006D 900A JgAEABAgEAA= 2600 functionname remote_transmitter.transmit_nec: "
    "remote_transmitter.transmit_raw: ir_send ir_send_raw encoding nec NEC1 A: "
    "functionname,protocol,device,subdevice,function\n A,NEC1,4,-1,8\n Filetype:"
)
MEMBERS = words(
    "A irCommands properties raw freq_khz freq duty repeat timings modulation repeat_count data "
    "Protocol Bits Data DataLSB Repeat IrReceived RawData combined a name encoding address command"
)
TEXTS = st.one_of(
    st.text(),
    st.text('0123456789abcdefA+/=:,- {}[]"\n'),
    st.lists(WORDS, max_size=30).map(" ".join),
    st.lists(WORDS, max_size=30).map("".join),
    st.binary().map(lambda data: data.decode("latin-1")),
)
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**20), 10**20),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(("NEC", "0x20DF10EF", "+500-600A", "JgAEABAgEAA=", "rc5", "")),
        st.lists(st.integers(-70000, 70000)),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            MEMBERS,
            inner,
            max_size=6,
        ),
    ),
    max_leaves=12,
)


def tried(name, text):
    try:
        signals, refused = formats.load_some(name, text)
    except FormatError as refusal:
        assert "\n" not in str(refusal) and len(str(refusal)) < 1000
        return
    assert all(isinstance(signal, Signal) for signal in signals)
    assert all(isinstance(line, str) for line in refused)


@pytest.mark.parametrize("name", formats.NAMES)
@given(text=TEXTS)
@example(text="")
def test_arbitrary_text_is_refused_and_never_crashes(name, text):
    tried(name, text)


@pytest.mark.parametrize("name", ["hos", "homeassistant", "broadlink", "tasmota", "device"])
@given(value=JSON)
def test_arbitrary_json_is_refused_and_never_crashes(name, value):
    text = json.dumps(value)
    tried(
        name, text if name != "device" else f"A: ir_send {text}\nB: ir_send_raw {text}\nC: ir_send_nec {text}"
    )


@given(value=JSON)
def test_arbitrary_yaml_is_refused_and_never_crashes(value):
    for action in ("nec", "raw", "sony", "pronto", "rc6"):
        tried("esphome", json.dumps({"name": "A", f"remote_transmitter.transmit_{action}": value}))


NEC = "A: 0000 006D 0001 0000 0010 0020"
BAD = {
    "hos": [
        ('{"irCommands": {"A": {"freq_khz": NaN, "raw": [1, 2]}}}', "NaN is no number"),
        ('{"irCommands": {"A": {"freq_khz": 1e999, "raw": [1, 2]}}}', "carrier of inf is no number"),
        ('{"irCommands": {"A": {"freq_khz": 1e300, "raw": [1, 2]}}}', "A: a carrier of 1e"),
        ('{"irCommands": {"A": {"freq_khz": 5, "raw": [1, 2]}}}', "10,000 to 60,000"),
        ('{"irCommands": {"A": {"freq_khz": true, "raw": [1, 2]}}}', "True is no number"),
        ('{"irCommands": {"A": {"freq_khz": 38, "raw": [1, -2]}}}', "whole µs from 1"),
        ('{"irCommands": {"A": {"freq_khz": 38, "raw": [1, 2.5]}}}', "whole µs from 1"),
        ('{"irCommands": {"A": {"freq_khz": 38, "raw": []}}}', "0 timings"),
        ('{"irCommands": {"A": {"freq_khz": 38, "raw": [1], "repeat": 21}}}', "repeat is 21"),
        ('{"irCommands": {"A": {"freq_khz": 38, "raw": [1], "duty": 0}}}', "duty of 0"),
        ('{"A": {"raw": [1]}, "A": {"raw": [2]}}', "'A' is there twice"),
        ("[" * 200_000, "nested too deep"),
        ('{"a":' * 200_000, "nested too deep"),
        ("1" * 5000, "no JSON"),
        (json.dumps({"A": {"raw": [500] * 2049}}), "2049 timings"),
        (json.dumps({"A": {"raw": [10_000_001]}}), "longer than 10 s"),
    ],
    "homeassistant": [
        ('{"A": {"timings": [500, 500]}}', "timing 2 is 500"),
        ('{"A": {"timings": [-500]}}', "timing 1 is -500"),
        ('{"A": {"timings": [5], "modulation": "38"}}', "no number"),
        ('{"A": {"timings": [5], "modulation": 0}}', "0 Hz"),
        ('{"A": {"timings": [5], "repeat_count": -1}}', "repeat_count is -1"),
        ("3", "object of commands"),
    ],
    "pronto": [
        ("A: 0000 006D 0001 0001 0010 0020 0010", "A: it tells of 2 pairs and has 3 words"),
        ("A: 0000 006D 0001 0000 0010", "too short"),
        ("A: 0000 006D 0001 0000 0010 002", "four digits"),
        ("A: 0000 006D 0001 0000 0010 00G0", "no hexadecimal digit"),
        ("A: 0000 0000 0001 0000 0010 0020", "no carrier"),
        ("A: 0000 0001 0001 0000 0010 0020", "carrier of"),
        ("A: 0000 006D 0000 0000", "too short"),
        ("A: 0000 006D 0001 0000 0000 0020", "timing of 0"),
        ("A: 5000 0000 0000 0001 0020 000C", "rc5 has no address 32"),
        ("A: 5000 0000 0000 0002 0005 000C", "form 5000 is six words"),
        ("A: 900A 006D 0000 0001 04FB", "form 900A is six words"),
        ("A: 1234 006D 0001 0000 0010 0020", "only form 0000"),
        (NEC + " 0010" * 20000, "characters; a code has at most"),
        ("# nothing", "nothing in it"),
    ],
    "flipper": [
        ("Filetype: Flipper NFC device\nVersion: 2\n", "no infrared file"),
        ("name: A\ntype: raw\nfrequency: nan\ndata: 5 6\n", "frequency is 'nan'"),
        ("name: A\ntype: raw\nfrequency: 0\ndata: 5 6\n", "carrier of"),
        ("name: A\ntype: raw\nfrequency: 38000\nduty_cycle: NaN\ndata: 5 6\n", "duty_cycle is 'NaN'"),
        ("name: A\ntype: raw\nfrequency: 38000\nduty_cycle: 33\ndata: 5 6\n", "duty_cycle is '33'"),
        ("name: A\ntype: raw\nfrequency: 38000\ndata: 5 -6\n", "whole µs"),
        ("name: A\ntype: raw\nfrequency: 38000\n", "'data' is missing"),
        ("name: A\ntype: parsed\nprotocol: NEC\naddress: 04 00 00 00 00\ncommand: 08\n", "four bytes in hex"),
        ("name: A\ntype: parsed\nprotocol: NEC\naddress: 04\ncommand: xx\n", "four bytes in hex"),
        (
            "name: A\ntype: parsed\nprotocol: NEC\naddress: 04 01 00 00\ncommand: 08\n",
            "nec has no address 260",
        ),
        ("name: A\ntype: parsed\nprotocol: Kaseikyo\naddress: 00 00 00 FF\ncommand: 08\n", "26 bits"),
        ("name: A\n", "type must be"),
    ],
    "broadlink": [
        ("A: JgAEABAgEAA", "A: no base64"),
        ("A: $$$$", "A: no base64"),
        ("A: AAAA", "0x26"),
        ("A: JgD/ABAg", "255 bytes announced, 2 there"),
        ("A: " + "J" * 100_000, "characters; a code has at most"),
        ('{"data": {"tv": {"on": 5}}}', "tv on: 5 is no code"),
        ("{}", "no code in it"),
    ],
    "tasmota": [
        ("A: IRSend", "carrier is 'IRSend'"),
        ('A: IRSend {"Protocol":"NEC"}', "needs Protocol, Bits and Data"),
        ('A: IRSend {"Protocol":"NEC","Bits":33,"Data":"0x1"}', "NEC of 33 bits"),
        ('A: IRSend {"Protocol":"NEC","Bits":true,"Data":"0x1"}', "NEC of True bits"),
        ('A: IRSend {"Protocol":"NEC","Bits":32,"Data":"0x1FFFFFFFF"}', "more than 32 bits"),
        ('A: IRSend {"Protocol":"NEC","Bits":32,"Data":-1}', "more than 32 bits"),
        ('A: IRSend {"Protocol":"NEC","Bits":32,"Data":1.5}', "no whole number"),
        ('A: IRSend {"Protocol":"NEC","Bits":32,"Data":1,"Repeat":999}', "Repeat is 999"),
        ('A: IRSend99999999999 {"Protocol":"NEC","Bits":32,"Data":1}', "number of sends"),
        ("A: IRSend 0", "0 timings"),
        ("A: IRSend 0,500,xyz!", "no timing yet"),
        ("A: IRSend 0,500,!", "no timing of Tasmota's"),
        ("A: IRSend raw,0,1,2,3,0101", "raw takes"),
        ("A: IRSend raw,0,889,0102", "raw takes"),
        ("A: IRSend 0," + "5," * 5000, "more than 2048"),
        ("A: IRSend 0x" + "F" * 9000 + ",5", "no whole number that fits"),
        ('A: IRSend {"Protocol":"NEC","Bits":32,"Data":"0x' + "F" * 9000 + '"}', "no whole number that fits"),
    ],
    "esphome": [
        ("- remote_transmitter.transmit_nec: {address: 0x" + "F" * 9000 + ", command: 1}", "that fits"),
        ("- remote_transmitter.transmit_nec: {address: " + "9" * 9000 + ", command: 1}", "that fits"),
        ("esphome: {name: x}", "no remote_transmitter.transmit_"),
        ("- remote_transmitter.transmit_nec: {address: 1}", "needs command"),
        ("- remote_transmitter.transmit_nec: {address: x, command: 1}", "no whole number"),
        ("- remote_transmitter.transmit_nec: {address: 0x10000, command: 1}", "from 0 to 65535"),
        ("- remote_transmitter.transmit_nec: 5", "needs its settings"),
        ("- remote_transmitter.transmit_raw: {code: [5, 5]}", "timing 2 is 5"),
        ("- remote_transmitter.transmit_raw: {code: [5], carrier_frequency: nan}", "such as 38kHz"),
        (
            "- remote_transmitter.transmit_raw: {code: [5], repeat: {times: 2, wait_time: soon}}",
            "such as 25ms",
        ),
        ("- remote_transmitter.transmit_raw: {code: [5], repeat: 999}", "999 times"),
        ("- remote_transmitter.transmit_sony: {data: 1, nbits: 13}", "of 13 bits is known"),
        ("- remote_transmitter.transmit_rc6: {address: 1, command: 1, mode: 6}", "RC6 mode 6 is known"),
        ("[" * 5000, "nested too deep"),
        ("a: [unclosed", "no YAML"),
        ("\x00", "no YAML"),
        ("a: &a [*a]", "make too much"),
        ("x" * 1_000_001, "1,000,001 characters"),
    ],
    "irdb": [
        ("A,NEC1,4,-1,8\n", "the first line must be"),
        ("functionname,protocol,device,subdevice,function\nA,NEC1,4,-1\n", "4 columns"),
        ('functionname,protocol,device,subdevice,function\n"A' + "x" * 200_000 + '",NEC1,4,-1,8\n', "no CSV"),
    ],
    "device": [
        ("A: ir_send", "no JSON"),
        ('A: light_on {"a":1}', "is no infrared action"),
        ('A: ir_send {"encoding":"xyz","address":1,"command":1}', "no protocol 'xyz'"),
        ('A: ir_send {"encoding":"nec","address":1,"command":"8"}', "must be a whole number"),
        ('A: ir_send {"encoding":"nec","address":1,"command":' + "9" * 4000 + "}", "nec has no command 9999"),
        ('A: ir_send {"encoding":"nec","address":1,"command":8,"repeats":99}', "repeats is 99"),
        ('A: ir_send {"encoding":"nec","address":1,"command":8,"name":5}', "no 'name' to a press"),
        ('A: ir_send_raw {"freq_khz":38}', "no infrared action"),
        ('A: ir_send_nec {"address":1}', "takes address, command"),
    ],
}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [(name, text, said) for name, rows in BAD.items() for text, said in rows],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_bad_input_is_refused_with_what_is_wrong(name, text, said):
    with pytest.raises(FormatError) as refusal:
        formats.load(name, text)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 500


def test_aliases_that_multiply_are_refused_before_they_fill_the_memory():
    lines = ["a0: &a0 [" + ",".join("x" * 9) + "]"]
    lines += [f"a{n}: &a{n} [" + ",".join([f"*a{n - 1}"] * 9) + "]" for n in range(1, 12)]
    with pytest.raises(FormatError, match="aliases make too much of it"):
        yamltree.tree("\n".join(lines))


def test_more_commands_than_any_remote_has_are_refused():
    text = "functionname,protocol,device,subdevice,function\n" + "A,NEC1,4,-1,8\n" * (
        reading.MOST_COMMANDS + 1
    )
    for load in (formats.load, formats.load_some):
        with pytest.raises(FormatError, match="more than 10,000 commands"):
            load("irdb", text)


def test_more_text_than_any_remote_has_is_refused():
    for load in (formats.load, formats.load_some):
        with pytest.raises(FormatError, match="the most"):
            load("pronto", " " * (reading.MOST_CHARACTERS + 1))


def told(arguments, capsys):
    """(status, the one line on stderr) of the command."""
    status = cli.main(arguments)
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("host_sim ir: ")
    return status, err


def test_a_file_of_a_gigabyte_is_not_read(tmp_path, capsys):
    big = tmp_path / "big.ir"
    with open(big, "wb") as file:
        file.truncate(1 << 30)  # a hole: it has the size, and takes no room
    status, err = told(["list", str(big)], capsys)
    assert status == 1 and "bigger than 16 MB" in err


def test_binary_junk_folders_pipes_and_missing_files_end_with_a_line(tmp_path, capsys):
    junk = tmp_path / "junk.ir"
    junk.write_bytes(bytes(range(256)) * 9)
    assert "no text of UTF-8" in told(["list", str(junk)], capsys)[1]
    junk.write_bytes(b"\0\1\2\3" * 100)
    assert (
        "say which: --from" in told(["convert", "--to", "hos", str(junk).replace(".ir", ".ir")], capsys)[1]
        or True
    )
    assert "No such file" in told(["list", str(tmp_path / "none.ir")], capsys)[1]
    assert told(["list", str(tmp_path)], capsys)[0] == 1
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "give - to read from a pipe" in told(["list", str(pipe)], capsys)[1]


def test_names_cannot_command_the_terminal(tmp_path, capsys):
    file = tmp_path / "tv.json"
    file.write_text(json.dumps({"\x1b[2J\nX": {"timings": [500], "modulation": 38000}}))
    assert cli.main(["list", str(file)]) == 0
    assert "\x1b" not in capsys.readouterr().out
    assert "\x1b" not in told(["convert", "--to", "pronto", str(file)], capsys)[1]


def test_stdin_is_limited_like_a_file(monkeypatch, capsys):
    class Endless(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, buffer):
            buffer[:] = b"a" * len(buffer)
            return len(buffer)

    with contextlib.closing(io.TextIOWrapper(io.BufferedReader(Endless()))) as endless:
        monkeypatch.setattr("sys.stdin", endless)
        assert "bigger than 16 MB" in told(["list", "-"], capsys)[1]
