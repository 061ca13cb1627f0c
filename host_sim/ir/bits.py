"""The bits of a frame as its protocol names them. It must never name bits that the codec did not read."""

from capabilities.ir import biphase, distance, rc5, rc6, sony

# (part, bits) in the order they are sent; the value of a part comes from the fields, not from here.
PARTS = {
    "nec": (("address", 8), ("~address", 8), ("command", 8), ("~command", 8)),
    "necext": (("address", 16), ("command", 16)),
    "samsung32": (("address", 8), ("address", 8), ("command", 8), ("~command", 8)),
    "lg": (("address", 8), ("command", 16), ("sum", 4)),
    "jvc": (("address", 8), ("command", 8)),
    "kaseikyo": (("vendor", 16), ("parity", 4), ("address", 12), ("command", 8), ("check", 8)),
    "sony12": (("command", 7), ("address", 5)),
    "sony15": (("command", 7), ("address", 8)),
    "sony20": (("command", 7), ("address", 13)),
    "rc5": (("start", 2), ("toggle", 1), ("address", 5), ("command", 6)),
    "rc5x": (("start", 1), ("~command 6", 1), ("toggle", 1), ("address", 5), ("command 5-0", 6)),
    "rc6": (("start", 1), ("mode", 3), ("toggle", 1), ("address", 8), ("command", 8)),
}


def sent(protocol: str, timings: list[int]) -> str:
    """The bits of one frame that `protocol` decodes, in the order they are sent: «0110…»."""
    if protocol in ("rc5", "rc5x"):
        levels = biphase.expand(timings, 0, rc5._BOUNDS, 27) or b""
        halves = b"\0" + bytes(levels) + b"\0"
        return "".join(str(halves[at + 1]) for at in range(0, 28, 2))
    if protocol == "rc6":
        halves = bytes(biphase.expand(timings, 2, rc6._BOUNDS, 44) or b"") + b"\0"
        starts = [*range(0, 8, 2), 8, *range(12, 44, 2)]
        return "".join(str(halves[at]) for at in starts)
    if protocol in sony.FIELDS:
        return "".join("1" if distance.near(mark, 1200) else "0" for mark in timings[2::2])
    return "".join(
        "1" if space > 2 * mark else "0" for mark, space in zip(timings[2:-1:2], timings[3::2], strict=True)
    )


def named(protocol: str, bits: str) -> list[tuple[str, str]]:
    """(part, its bits) in order."""
    found, at = [], 0
    for part, count in PARTS[protocol]:
        found.append((part, bits[at : at + count]))
        at += count
    return found
