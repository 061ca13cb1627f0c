"""Says what each format keeps, by trying it: the table in docs/infrared.md. It must never be written by hand.

python -m host_sim.ir.table
"""

from capabilities.ir import codecs
from host_sim.ir import formats
from host_sim.ir.signals import UNMODULATED, FormatError, Signal, from_fields, from_timings, numbers

_RAW = [3000, 1000, 700, 900, 1100, 700, 800, 12000, 3000, 1000, 900]
# (heading, signals that have nothing else for a format to lose)
PROBES: tuple[tuple[str, tuple[Signal, ...]], ...] = (
    ("raw timings", (from_timings("A", 38000, _RAW),)),
    (
        "odd timings of a known frame",
        tuple(
            from_timings("A", signal.carrier, [us * 103 // 100 for us in signal.once])
            for signal in (
                from_fields("A", "nec", address=4, command=8),
                from_fields("A", "sony12", address=1, command=21),
            )
        ),
    ),
    (
        "repeats",
        tuple(from_fields("A", name, repeats=2, address=4, command=8) for name in ("nec", "samsung32")),
    ),
    ("toggle bit", tuple(from_fields("A", name, address=4, command=8, toggle=1) for name in ("rc5", "rc6"))),
    ("what is sent while held", (from_timings("A", 38000, _RAW, [9000, 2250, 560, 96000]),)),
    ("carrier", (from_timings("A", 36000, _RAW), from_timings("A", 40000, _RAW))),
    ("duty", (from_timings("A", 38000, _RAW, duty=50),)),
    ("no carrier", (from_timings("A", UNMODULATED, _RAW),)),
)
# From the best to the worst, so that a row tells the worst of its probes.
_WORST = ("kept", "rounded", "lost", "refused")


def outcome(name: str, signal: Signal) -> str:
    """What comes of a signal that is written and read again: kept, rounded, lost (and told), or refused."""
    try:
        text, lost = formats.dump(name, [signal])
    except FormatError:
        return "refused"
    (back,) = formats.load(name, text)
    if (back.once, back.again, back.duty) == (signal.once, signal.again, signal.duty):
        return "kept" if abs(back.carrier - signal.carrier) <= 1 else "lost"
    if not lost:
        raise AssertionError(f"{name} loses something of {signal} and does not tell")
    return "rounded" if _near(signal, back) else "lost"


def _near(signal: Signal, back: Signal) -> bool:
    def alike(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
        pairs = zip(one, other, strict=False)
        return abs(len(one) - len(other)) <= 1 and all(abs(us - their) <= 20 for us, their in pairs)

    carriers = abs(signal.carrier - back.carrier) <= signal.carrier // 100
    return (
        carriers
        and alike(signal.once, back.once)
        and alike(signal.again, back.again)
        and (signal.duty == back.duty)
    )


def spoken(name: str) -> str:
    """The protocols whose numbers come back out of a format."""
    missing = [protocol for protocol in codecs.MODULES if not _comes_back(name, _press(protocol))]
    return "all" if not missing else "all but " + ", ".join(missing)


def _comes_back(name: str, signal: Signal) -> bool:
    try:
        (back,) = formats.load(name, formats.dump(name, [signal])[0])
    except FormatError:
        return False
    return back.fields is not None and numbers(back.fields) == numbers(signal.fields or {}) | (
        {"toggle": 0} if "toggle" in back.fields else {}
    )


def _press(protocol: str) -> Signal:
    vendor = {"vendor": 0x2002} if protocol == "kaseikyo" else {}
    return from_fields("A", protocol, address=4, command=100 if protocol == "rc5x" else 8, **vendor)


def markdown() -> str:
    """The table."""
    rows = [["format", "protocols", *(heading for heading, _ in PROBES)]]
    rows.append(["---"] * len(rows[0]))
    for name in formats.NAMES:
        cells = [max((outcome(name, one) for one in probe), key=_WORST.index) for _, probe in PROBES]
        rows.append([f"`{name}`", spoken(name), *cells])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    print(markdown(), end="")
