"""The size of a message: 16,384 bytes of JSON, the header not counted."""

from tools.vectors.cases import File, Group, verify
from tools.vectors.wire import Wire, pipe10

LIMIT = 16384
COMMAND = pipe10()
TOO_LARGE = "PAYLOAD_TOO_LARGE"


def filled(size: int) -> Wire:
    """A command of exactly this size, made so by a string in its body."""
    room = size - len(pipe10('{"a":""}').data)
    return pipe10('{"a":"' + "x" * room + '"}')


FILE = File(
    "size",
    [
        Group(
            "size",
            "16,384 bytes pass and 16,385 do not, bare or framed, white space included. Nothing of a message "
            "that is too large is looked at.",
            [
                verify("size-16384", "16,384 bytes", filled(LIMIT)),
                verify("size-16385", "16,385 bytes", filled(LIMIT + 1), TOO_LARGE),
                verify("size-16384-framed", "16,384 bytes behind a header", filled(LIMIT).framed()),
                verify(
                    "size-16385-framed", "16,385 bytes behind a header", filled(LIMIT + 1).framed(), TOO_LARGE
                ),
                verify("size-16384-white", "16,384 bytes by spaces at the end", COMMAND.padded(LIMIT)),
                verify(
                    "size-16385-white",
                    "16,385 bytes by spaces at the end",
                    COMMAND.padded(LIMIT + 1),
                    TOO_LARGE,
                ),
                verify("size-16385-braces", "16,385 opening braces", b"{" * (LIMIT + 1), TOO_LARGE),
                verify(
                    "size-16392-ff",
                    "16,392 bytes FF: a frame of the right size",
                    b"\xff" * 16392,
                    "FRAME_MAGIC_INVALID",
                ),
                verify("size-16393-ff", "16,393 bytes FF", b"\xff" * 16393, TOO_LARGE),
                verify(
                    "size-16385-short-length",
                    "a header that tells 16,384 before 16,385 bytes",
                    filled(LIMIT + 1).framed(off=-1),
                    TOO_LARGE,
                ),
                verify(
                    "size-small-large-length",
                    "a header that tells 16,385 before a small message",
                    COMMAND.framed(off=LIMIT + 1 - len(COMMAND.data)),
                    "FRAME_LENGTH_INVALID",
                ),
            ],
            ("Size",),
            ("HX3-WIRE-04", "HX3-VAL-02"),
        )
    ],
)
