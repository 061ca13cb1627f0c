"""The device's own actions, a line a command: «name: ir_send {"encoding":"nec","address":4,"command":8}».

It must never write what the device's own rules refuse. What stands after the name is what
`python -m host_sim client command DEVICE …` takes. Read too: ir_send_nec, ir_send_raw and ir_send_pronto,
and the answers of ir_learned, page by page.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from capabilities.ir import codecs
from host_sim.ir.formats.pronto import _signal as from_pronto
from host_sim.ir.reading import (
    Entry,
    attempt,
    check_name,
    count,
    hertz,
    json_value,
    named_lines,
    percent,
    repeated,
    shown,
)
from host_sim.ir.signals import (
    DUTY,
    GAP_US,
    MOST,
    MOST_REPEATS,
    FormatError,
    Signal,
    from_fields,
    from_timings,
    modulated,
    not_held,
    numbers,
    press,
)

# What ir_learned answers: alone, or as `client command` prints it.
_ANSWER = re.compile(r"(?:ir_learned: executed )?(\{.*\})")
# The bounds of the actions' parameters.
_MOST_REPEATS = 10
_LONGEST_US = 2_000_000
_MOST_DUTY = 90


def each(text: str) -> Iterator[Entry]:
    pages: dict[str, list[Any]] = {}
    for line in map(str.strip, text.splitlines()):
        if told := _ANSWER.fullmatch(line):
            page = attempt(_page, told[1])
            if isinstance(page, FormatError):
                yield page
            else:
                pages.setdefault(page["name"], []).append(page)
        elif line and not line.startswith("#"):
            yield attempt(_signal, *named_lines(line)[0])
    for name, rows in pages.items():
        yield attempt(_learned, name, rows)


def _page(text: str) -> Any:
    """One answer of ir_learned: a part of a command's timings, from `offset`, of `total` in all."""
    row = json_value(text)
    if not isinstance(row, dict) or not isinstance(row.get("raw"), list):
        raise FormatError(f"no answer of ir_learned: {shown(text)}")
    name = row.setdefault("name", "learned")
    if not isinstance(name, str):
        raise FormatError(f"{shown(name)} is no name")
    for member in ("offset", "once", "total"):
        count(name, member, row.get(member), 0, 2 * MOST)
    return row


def _learned(name: str, pages: list[Any]) -> Signal:
    timings: list[int] = []
    for page in sorted(pages, key=lambda page: page["offset"]):
        if page["offset"] == len(timings):
            timings += page["raw"]
    total, once = pages[0]["total"], pages[0]["once"]
    if len(timings) != total:
        raise FormatError(
            f"{name}: {len(timings)} of {total} timings; ask ir_learned for the rest: offset={len(timings)}"
        )
    carrier = hertz(name, pages[0].get("freq_khz"), khz_below=1000)
    return from_timings(name, carrier or -1, timings[:once], timings[once:])


def _signal(name: str, code: str) -> Signal:
    action, _, rest = code.partition(" ")
    params = json_value(rest)
    if not isinstance(params, dict):
        raise FormatError(f"{name}: needs an action and its parameters as a JSON object")
    repeats = count(name, "repeats", params.pop("repeats", 0), 0, MOST_REPEATS)
    if action == "ir_send":
        return _press(name, params, repeats)
    if action == "ir_send_nec":
        _all_whole(name, params)
        if set(params) != {"address", "command"}:
            raise FormatError(f"{name}: {action} takes address, command and repeats")
        address, command = params["address"], count(name, "command", params["command"], 0, 255)
        if address < 256:
            return from_fields(name, "nec", repeats=repeats, **params)
        both = command | (command ^ 255) << 8
        return from_fields(name, "necext", repeats=repeats, address=address, command=both)
    if action == "ir_send_raw" and isinstance(params.get("raw"), list):
        carrier = hertz(name, params.get("freq_khz"), khz_below=1000)
        sends = count(name, "repeat", params.get("repeat", 1), 1, 20)
        duty = percent(name, params.get("duty", DUTY))
        return from_timings(name, carrier or -1, repeated(params["raw"], sends, GAP_US), duty=duty)
    if action == "ir_send_pronto" and isinstance(params.get("code"), str):
        return from_pronto(name, params["code"])
    raise FormatError(f"{name}: {shown(action)} with these parameters is no infrared action")


def _press(name: str, params: dict[str, Any], repeats: int) -> Signal:
    encoding, own = params.pop("encoding", None), {}
    if "freq_khz" in params:
        own["carrier"] = hertz(name, params.pop("freq_khz"), khz_below=1000)
    if "duty" in params:
        own["duty"] = percent(name, params.pop("duty"))
    _all_whole(name, params)
    pressed = from_fields(name, encoding if isinstance(encoding, str) else "", repeats=repeats, **params)
    if not own:
        return pressed
    own = {"carrier": pressed.carrier, **own}
    return from_timings(name, own["carrier"] or -1, list(pressed.once), duty=own.get("duty", DUTY))


def _all_whole(name: str, params: dict[str, Any]) -> None:
    for member, value in params.items():
        if member not in ("address", "command", "vendor", "toggle"):
            raise FormatError(f"{name}: there is no {shown(member)} to a press")
        if type(value) is not int:
            raise FormatError(f"{name}: {shown(member)} is {shown(value)}; it must be a whole number")


def action(signal: Signal) -> tuple[str, dict[str, Any]]:
    """(action, parameters) that make a device send the signal; raises FormatError where none does."""
    if signal.duty > _MOST_DUTY:
        raise FormatError(f"{signal.name}: a duty of {signal.duty} %, and a device sends up to {_MOST_DUTY}")
    khz = modulated(signal, "a device") / 1000
    carrier = {"freq_khz": int(khz) if khz == int(khz) else khz}
    duty = {"duty": signal.duty} if signal.duty != DUTY else {}
    pressed = press(signal)
    # By its numbers only where that sends the same: the device can send any timings as they are.
    if pressed and pressed.exact and pressed.repeats <= _MOST_REPEATS:
        params = {"encoding": pressed.fields["protocol"], **numbers(pressed.fields)}
        params.pop("toggle", None)  # the device changes it with every press
        if pressed.repeats:
            params["repeats"] = pressed.repeats
        usual = signal.carrier == codecs.module(pressed.fields["protocol"]).CARRIER
        return "ir_send", params | ({} if usual else carrier) | duty
    if max(signal.once) > _LONGEST_US:
        raise FormatError(f"{signal.name}: a pause over 2 s is more than a device sends")
    return "ir_send_raw", {**carrier, "raw": list(signal.once), **duty}


def dump(signals: list[Signal]) -> tuple[str, list[str]]:
    lines, lost = [], []
    for signal in signals:
        check_name(signal.name)
        name, params = action(signal)
        lines.append(f"{signal.name}: {name} {json.dumps(params, separators=(',', ':'))}")
        lost += not_held(signal, duty=True)
        if name == "ir_send" and (signal.fields or {}).get("toggle"):
            lost.append(f"{signal.name}: its toggle bit; the device changes it with every press")
    return "\n".join(lines) + "\n", lost
