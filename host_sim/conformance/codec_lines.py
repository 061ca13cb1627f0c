"""Cases about a codec as a program that reads lines, where the vectors ask one whole line at a time.

They are about how bytes arrive, never about what a request means.
"""

from host_sim.conformance.case import case, expect
from host_sim.conformance.codec_program import CodecProgram

GROUP = "how lines arrive"
RESET, DONE = b'{"op":"reset"}', {"ok": True}
BAD = {"ok": False, "code": "BAD_REQUEST"}
LONGEST = 1 << 20  # bytes that a codec may not refuse for their number: HX3-CODEC-13


@case(
    "lines-at-once", "three requests that arrive together have three answers", ("HX3-CODEC-01",), group=GROUP
)
async def at_once(codec: CodecProgram) -> None:
    expect("the answers", [DONE, BAD, DONE], await codec.talk([RESET + b"\njunk\n" + RESET + b"\n"], 3))


@case(
    "lines-in-pieces",
    "a request that arrives in pieces is answered when it is whole",
    ("HX3-CODEC-01",),
    group=GROUP,
)
async def in_pieces(codec: CodecProgram) -> None:
    expect("the answer", [DONE], await codec.talk([b'{"op"', b':"re', b'set"}', b"\n"], 1))


@case(
    "lines-overlapping",
    "the end of one request and the beginning of the next",
    ("HX3-CODEC-01",),
    group=GROUP,
)
async def overlapping(codec: CodecProgram) -> None:
    expect(
        "the answers",
        [DONE, DONE],
        await codec.talk([RESET[:5], RESET[5:] + b"\n" + RESET[:7], RESET[7:] + b"\n"], 2),
    )


@case("lines-split-character", "a character of which one byte comes later", ("HX3-CODEC-01",), group=GROUP)
async def split_character(codec: CodecProgram) -> None:
    line = '{"op":"reset","unknown":"é"}\n'.encode()
    middle = line.index(b"\xc3") + 1
    expect("the answer", [DONE], await codec.talk([line[:middle], line[middle:]], 1))


@case(
    "lines-carriage-return",
    "a carriage return before the end of the line is white space",
    ("HX3-CODEC-01",),
    group=GROUP,
)
async def carriage_return(codec: CodecProgram) -> None:
    expect("the answer", [DONE], await codec.talk([RESET + b"\r\n"], 1))


@case("lines-empty", "empty lines are answered too", ("HX3-CODEC-01", "HX3-CODEC-02"), group=GROUP)
async def empty(codec: CodecProgram) -> None:
    expect("the answers", [BAD, BAD, DONE], await codec.talk([b"\n\n" + RESET + b"\n"], 3))


@case(
    "lines-longest", "a line of 1,048,576 bytes is read whole", ("HX3-CODEC-01", "HX3-CODEC-13"), group=GROUP
)
async def longest(codec: CodecProgram) -> None:
    frame = b'{"op":"reset","unknown":"%s"}'
    expect("the answer", [DONE], await codec.talk([frame % (b"x" * (LONGEST - len(frame) + 2)) + b"\n"], 1))


@case(
    "lines-too-long",
    "a line of 4 MiB has one answer, and the next is answered",
    ("HX3-CODEC-01", "HX3-CODEC-13"),
    group=GROUP,
)
async def too_long(codec: CodecProgram) -> None:
    line = b'{"op":"reset","unknown":"' + b"x" * (4 << 20) + b'"}\n'
    first, second = await codec.talk([line + RESET + b"\n"], 2)
    expect("the long line to be answered as a reset or as a bad request", True, first in (DONE, BAD))
    expect("the next answer", DONE, second)


@case(
    "lines-deep", "a line nested 100,000 deep has one answer", ("HX3-CODEC-01", "HX3-CODEC-13"), group=GROUP
)
async def deep(codec: CodecProgram) -> None:
    line = b'{"op":"reset","unknown":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    first, second = await codec.talk([line + RESET + b"\n"], 2)
    expect("the deep line to be answered as a reset or as a bad request", True, first in (DONE, BAD))
    expect("the next answer", DONE, second)
