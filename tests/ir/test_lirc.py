"""LIRC sends what our codecs read, and reads what they send: irsimsend and irsimreceive, no hardware."""

import subprocess

import pytest

from capabilities.ir import codecs
from host_sim.ir import bits

# As lircd.conf describes them: flags, bits in a code, timings, and how many bits come before the code.
DISTANCE = "SPACE_ENC|CONST_LENGTH"
REMOTES = {
    "nec": (DISTANCE, 32, "header 9000 4500\none 562 1687\nzero 562 562\nptrail 562\ngap 108000", 0),
    "necext": (DISTANCE, 32, "header 9000 4500\none 562 1687\nzero 562 562\nptrail 562\ngap 108000", 0),
    "samsung32": (DISTANCE, 32, "header 4500 4500\none 560 1690\nzero 560 560\nptrail 560\ngap 108000", 0),
    "lg": (DISTANCE, 28, "header 9000 4500\none 560 1690\nzero 560 560\nptrail 560\ngap 108000", 0),
    "jvc": (DISTANCE, 16, "header 8400 4200\none 525 1575\nzero 525 525\nptrail 525\ngap 67000", 0),
    "kaseikyo": (DISTANCE, 48, "header 3456 1728\none 432 1296\nzero 432 432\nptrail 432\ngap 130000", 0),
    "sony12": (DISTANCE, 12, "header 2400 600\none 1200 600\nzero 600 600\ngap 45000", 0),
    "sony15": (DISTANCE, 15, "header 2400 600\none 1200 600\nzero 600 600\ngap 45000", 0),
    "sony20": (DISTANCE, 20, "header 2400 600\none 1200 600\nzero 600 600\ngap 45000", 0),
    "rc5": ("RC5|CONST_LENGTH", 13, "one 889 889\nzero 889 889\nplead 889\ngap 113778", 1),
    "rc5x": ("RC5|CONST_LENGTH", 13, "one 889 889\nzero 889 889\nplead 889\ngap 113778", 1),
    # The mask tells which bit is of double width.
    "rc6": (
        "RC6|CONST_LENGTH",
        21,
        "header 2666 889\none 444 444\nzero 444 444\nrc6_mask 0x10000\ngap 106667",
        0,
    ),
}
CODES = [
    {"protocol": protocol, "address": address, "command": command, **({"toggle": toggle} if toggle else {})}
    for protocol, rows in {
        "nec": ((4, 8), (0, 255)),
        "necext": ((0x5583, 0x6F90), (0xBF00, 0xA501)),
        "samsung32": ((7, 2), (255, 0)),
        "lg": ((0x88, 0xC005), (1, 1)),
        "jvc": ((0x59, 0x35), (3, 23)),
        "kaseikyo": ((0x008, 0x3D), (4095, 1)),
        "sony12": ((1, 21), (16, 96)),
        "sony15": ((84, 21), (151, 77)),
        "sony20": ((26, 73), (4794, 21)),
        "rc5": ((5, 12), (0, 63)),
        "rc5x": ((20, 64), (1, 100)),
        "rc6": ((5, 12), (255, 0), (0, 255)),
    }.items()
    for address, command in rows
    for toggle in ((0, 1) if protocol.startswith("rc") else (0,))
]


@pytest.fixture
def remote(tmp_path):
    """remote(fields) writes the lircd.conf of one button and returns (its path, its code)."""

    def write(fields):
        flags, count, timings, before = REMOTES[fields["protocol"]]
        air = bits.of_fields(fields)
        if fields["protocol"] == "rc6":  # to LIRC, a 1 is a space and then a mark, as in RC5
            air = "".join("10"[int(bit)] for bit in air)
        code = int(air[before:], 2)
        path = tmp_path / "remote.conf"
        path.write_text(
            f"begin remote\nname probe\nbits {count}\nflags {flags}\neps 25\naeps 80\n{timings}\n"
            f"begin codes\nPRESS 0x{code:X}\nend codes\nend remote\n"
        )
        return path, code

    return write


def run(command, folder):
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL
    ).stdout


def test_lirc_is_asked_about_every_protocol():
    assert set(REMOTES) == {fields["protocol"] for fields in CODES} == set(codecs.MODULES)


def label(fields):
    return " ".join(map(str, fields.values()))


@pytest.mark.parametrize("fields", CODES, ids=label)
def test_what_lirc_sends_is_what_we_send(program, remote, tmp_path, fields):
    path, _ = remote(fields)
    run([program("irsimsend"), "-s", "200000", str(path)], tmp_path)
    lines = [line.split() for line in (tmp_path / "simsend.out").read_text().splitlines()]
    assert lines[0] == ["space", "200000"] and lines[1][0] == "pulse"
    timings = [int(us) for _, us in lines[1:]]
    start, end = codecs.frames(timings)[0]
    found = codecs.decode(timings[start:end])
    assert {name: found[name] for name in fields} == fields
    made = codecs.module(fields["protocol"]).encode(fields)
    assert len(made) == end - start
    for ours, theirs in zip(made, timings[start:end], strict=True):
        assert abs(ours - theirs) <= 3  # JVC: 526 us and 525


@pytest.mark.parametrize("fields", CODES, ids=label)
def test_what_we_send_is_what_lirc_reads(program, remote, tmp_path, fields):
    path, code = remote(fields)
    timings, sends = codecs.module(fields["protocol"]).train(fields, 0)
    heard = [200000, *timings * sends]
    if len(heard) % 2 == 0:
        heard.append(100000)
    data = tmp_path / "heard"
    data.write_text("".join(f"{('space', 'pulse')[at % 2]} {us}\n" for at, us in enumerate(heard)))
    # By their names alone: irsimreceive takes no long paths.
    said = run([program("irsimreceive"), path.name, data.name], tmp_path)
    assert said.splitlines()[0].split() == [f"{code:016x}", "00", "PRESS", "probe"]
