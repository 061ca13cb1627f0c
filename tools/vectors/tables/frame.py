"""Framed and bare: the header, its fields one by one, and which first byte means which form."""

from dataclasses import replace

from tools.vectors.cases import File, Group, verify
from tools.vectors.wire import CODES, pipe10

COMMAND = pipe10()

# What can begin a JSON text, or a byte-order mark: with it a message is bare.
BARE = (0x09, 0x0A, 0x0D, 0x20, 0x22, 0x2D, *range(0x30, 0x3A), 0x5B, 0x66, 0x6E, 0x74, 0x7B, 0xEF)


FILE = File(
    "frame",
    [
        Group(
            "both forms",
            "A receiver takes both forms, whatever the channel.",
            [
                verify("frame-bare", "an ordinary command, bare", COMMAND, flags=("Valid",)),
                verify(
                    "frame-framed", "the same command behind its header", COMMAND.framed(), flags=("Valid",)
                ),
                verify(
                    "frame-framed-white-space",
                    "the header's length counts the white space of the JSON text",
                    COMMAND.between(b"\r\n\t ", b" \n").framed(),
                ),
                verify(
                    "frame-twice",
                    "a framed message inside a frame is no JSON",
                    COMMAND.framed().framed(),
                    "FRAME_JSON_INVALID",
                ),
            ],
            ("Frame",),
            ("HX3-WIRE-01", "HX3-WIRE-02", "HX3-WIRE-05"),
        ),
        Group(
            "type codes",
            "The code of the header belongs to message_type by the table of types.",
            [
                verify(
                    f"frame-type-{kind.replace('_', '-')}",
                    f"{kind} behind code {code}",
                    pipe10("{}", message_type=kind).framed(),
                )
                for kind, code in CODES.items()
            ]
            + [
                verify(
                    f"frame-code-{code}-for-command",
                    f"a command behind code {code}" + ("" if 1 <= code <= 11 else ", which no type has"),
                    COMMAND.framed(code),
                    "FRAME_TYPE_INVALID",
                )
                for code in (*(code for code in range(13) if code != 2), 127, 128, 255)
            ]
            + [
                verify(
                    "frame-code-for-hello-as-command",
                    "a hello put behind the code of a command, to be executed as one",
                    pipe10("{}", message_type="hello").framed(CODES["command"]),
                    "FRAME_TYPE_INVALID",
                )
            ],
            ("Frame",),
            ("HX3-WIRE-09",),
        ),
        Group(
            "header fields",
            "Magic, version and length.",
            [
                *(
                    verify(
                        f"frame-magic-{magic.hex()}",
                        f"magic {magic.hex()} instead of 4858",
                        COMMAND.framed(magic=magic),
                        "FRAME_MAGIC_INVALID",
                        clauses=("HX3-WIRE-02", "HX3-WIRE-03"),
                    )
                    for magic in (b"HY", b"XH", b"hx", b"Hx", b"\x00\x00", b"H{", b"\xfe\xff")
                ),
                *(
                    verify(
                        f"frame-version-{version}",
                        f"header version {version} instead of 3",
                        COMMAND.framed(version=version),
                        "FRAME_VERSION_INVALID",
                    )
                    for version in (0, 1, 2, 4, 0x33, 255)
                ),
                *(
                    verify(
                        f"frame-length-{'less' if off < 0 else 'more'}-{abs(off)}",
                        f"a length that is {off:+} from the truth",
                        COMMAND.framed(off=off),
                        "FRAME_LENGTH_INVALID",
                    )
                    for off in (-8, -1, 1, 8, 1 << 8, 1 << 16, 1 << 24, 1 << 31)
                ),
                verify(
                    "frame-length-zero",
                    "length 0 before a whole message",
                    COMMAND.framed(off=-len(COMMAND.data)),
                    "FRAME_LENGTH_INVALID",
                ),
                verify(
                    "frame-length-largest",
                    "length 4294967295",
                    COMMAND.framed(off=0xFFFFFFFF - len(COMMAND.data)),
                    "FRAME_LENGTH_INVALID",
                ),
                verify(
                    "frame-length-little-endian",
                    "the length with its least significant byte first",
                    replace(
                        COMMAND,
                        data=b"HX\x03\x02" + len(COMMAND.data).to_bytes(4, "little") + COMMAND.data,
                    ),
                    "FRAME_LENGTH_INVALID",
                ),
                verify(
                    "frame-byte-behind",
                    "one byte more than the length tells",
                    COMMAND.framed().between(b"", b" "),
                    "FRAME_LENGTH_INVALID",
                ),
                verify(
                    "frame-byte-missing",
                    "one byte less than the length tells",
                    replace(COMMAND, data=COMMAND.framed().data[:-1]),
                    "FRAME_LENGTH_INVALID",
                ),
            ],
            ("Frame",),
            ("HX3-WIRE-02",),
        ),
        Group(
            "short messages",
            "What is shorter than a header, and frames with nothing in them.",
            [
                verify("frame-empty", "the empty message", b"", "FRAME_TOO_SHORT"),
                *(
                    verify(
                        f"frame-short-{size}",
                        f"the first {size} bytes of a header",
                        COMMAND.framed().data[:size],
                        "FRAME_TOO_SHORT",
                    )
                    for size in (1, 2, 4, 7)
                ),
                verify(
                    "frame-header-alone",
                    "a header of length 0 with nothing behind it",
                    b"HX\x03\x02\x00\x00\x00\x00",
                    "FRAME_JSON_INVALID",
                ),
                verify(
                    "frame-header-without-json",
                    "a header whose JSON is missing",
                    COMMAND.framed().data[:8],
                    "FRAME_LENGTH_INVALID",
                ),
            ],
            ("Frame",),
            ("HX3-WIRE-02", "HX3-WIRE-03"),
        ),
        Group(
            "first byte",
            "Which first byte makes a message bare. A text of two bytes is no message in either form, but "
            "the code tells for which it was taken.",
            [
                verify(
                    f"frame-first-{first:02x}",
                    f"first byte {first:02x}: {'bare' if first in BARE else 'framed'}",
                    bytes([first]) + b"\x21",
                    ("FRAME_UTF8_INVALID" if first == 0xEF else "FRAME_JSON_INVALID")
                    if first in BARE
                    else "FRAME_TOO_SHORT",
                )
                for first in sorted(
                    {*BARE, 0x00, 0x0B, 0x0C, 0x21, 0x27, 0x2B, 0x2F, 0x3A, 0x48, 0x5D, 0x7D, 0xFE}
                )
            ],
            ("Frame",),
            ("HX3-WIRE-03",),
        ),
    ],
)
