"""ESPHome's remote_transmitter.transmit_* actions, as YAML, wherever they stand in a configuration.

It must never run what a configuration says: no tags, no lambdas, no includes. The numbers are laid out as in
ESPHome's remote_base. ESPHome sends some protocols with times of its own; what is read here are the numbers.
"""

import re
from collections.abc import Iterator
from typing import Any

from capabilities.ir import codecs
from host_sim.ir import bits, yamltree
from host_sim.ir.formats import pronto, unspoken
from host_sim.ir.formats.homeassistant import signed, unsigned
from host_sim.ir.reading import Entry, attempt, check_name, shown, whole
from host_sim.ir.signals import (
    MOST_REPEATS,
    UNMODULATED,
    FormatError,
    Press,
    Signal,
    as_numbers,
    from_fields,
    from_timings,
    not_held,
    press,
)

ACTION = "remote_transmitter.transmit_"
# What carries its bits as one number, the first bit sent the highest: the kind, and the bits if not told.
DATA = {"samsung": ("samsung", 32), "sony": ("sony", 12), "lg": ("lg", 28), "jvc": ("jvc", 16)}
NOT_SPOKEN = unspoken.names(unspoken.ESPHOME)
_WAIT_US = 25000  # where a repeat tells no other
_FREQUENCY = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,6})?)\s*(k?)(?:hz)?", re.IGNORECASE)
_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(us|µs|ms|s)", re.IGNORECASE)
# Presses that are the whole frame again and again, and how often at least; the others send something short.
_WHOLE_AGAIN = {"samsung": 1, "sony": 3, "rc5": 1, "rc6": 1, "kaseikyo": 1}


def each(text: str) -> Iterator[Entry]:
    found: list[tuple[str, str, Any]] = []
    taken: dict[str, int] = {}
    for above, key, body in yamltree.pairs(yamltree.tree(text)):
        if not key.startswith(ACTION):
            continue
        named = next((name for name in map(_label, reversed(above)) if name), f"command{len(found) + 1}")
        taken[named] = taken.get(named, 0) + 1
        name = named if taken[named] == 1 else f"{named} {taken[named]}"
        found.append((name, key.removeprefix(ACTION), body))
    if not found:
        raise FormatError(f"no {ACTION}… in it")
    for row in found:
        yield attempt(_signal, *row)


def _label(mapping: dict[str, Any]) -> str | None:
    for key in ("name", "id"):
        if isinstance(mapping.get(key), str) and mapping[key].strip():
            return mapping[key].strip()
    return None


def _signal(name: str, protocol: str, body: Any) -> Signal:
    if protocol == "raw" and isinstance(body, list):
        body = {"code": body}
    if not isinstance(body, dict):
        raise FormatError(f"{name}: transmit_{protocol} needs its settings beneath it")
    times, wait = _repeat(name, body.get("repeat"))
    if protocol == "raw":
        return _raw(name, body, times, wait)
    if protocol == "pronto":
        signal = pronto._signal(name, _text(name, "data", body))
        if times == 1:
            return signal
        return from_timings(name, signal.carrier, _again(list(signal.once), times, wait))
    made = _numbers(name, protocol, body)
    if times == 1:
        return made
    pressed = press(made)
    kind = bits.kind(pressed.fields["protocol"]) if pressed else ""
    if pressed and kind in _WHOLE_AGAIN:
        repeats = max(0, times - _WHOLE_AGAIN[kind])
        fields = {key: value for key, value in pressed.fields.items() if key != "protocol"}
        return from_fields(name, pressed.fields["protocol"], repeats=repeats, **fields)
    return from_timings(name, made.carrier, _again(list(made.once), times, wait))


def _again(timings: list[int], times: int, wait: int) -> list[int]:
    block = [*timings, wait] if len(timings) % 2 else [*timings[:-1], timings[-1] + wait]
    return block * (times - 1) + timings


def _repeat(name: str, value: Any) -> tuple[int, int]:
    """(sends in all, µs between them) of a `repeat`."""
    if value is None:
        return 1, _WAIT_US
    wait = _WAIT_US
    if isinstance(value, dict):
        if "wait_time" in value:
            told = _TIME.fullmatch(_text(name, "wait_time", value).strip())
            if not told:
                raise FormatError(f"{name}: wait_time is {shown(value['wait_time'])}; such as 25ms")
            wait = round(float(told[1]) * {"s": 1_000_000, "ms": 1000}.get(told[2].lower(), 1))
        value = value.get("times")
    times = whole(name, "repeat", value)
    if not 1 <= times <= 1 + MOST_REPEATS or wait < 1:
        raise FormatError(f"{name}: repeat sends it {times} times; 1 to {1 + MOST_REPEATS} here")
    return times, wait


def _text(name: str, key: str, body: dict[str, Any]) -> str:
    value = body.get(key)
    if isinstance(value, yamltree.Tagged):
        raise FormatError(
            f"{name}: {key} is computed ({value.tag}), and only what is written there can be read"
        )
    if not isinstance(value, str):
        raise FormatError(f"{name}: needs {key}")
    return value


def _number(name: str, key: str, body: dict[str, Any], most: int, default: int | None = None) -> int:
    if key not in body and default is not None:
        return default
    value = whole(name, key, _text(name, key, body))
    if not 0 <= value <= most:
        raise FormatError(f"{name}: {key} is {value}; from 0 to {most}")
    return value


def _raw(name: str, body: dict[str, Any], times: int, wait: int) -> Signal:
    code = body.get("code")
    if not isinstance(code, list):
        raise FormatError(f"{name}: needs code: [µs, -µs, …]")
    timings = unsigned(name, [whole(name, "a timing", us) for us in code])
    carrier = UNMODULATED  # as ESPHome has it where none is told
    if "carrier_frequency" in body:
        told = _FREQUENCY.fullmatch(_text(name, "carrier_frequency", body).strip())
        if not told:
            raise FormatError(
                f"{name}: carrier_frequency is {shown(body['carrier_frequency'])}; such as 38kHz"
            )
        carrier = round(float(told[1]) * (1000 if told[2] else 1))
    return from_timings(name, carrier, timings if times == 1 else _again(timings, times, wait))


def _numbers(name: str, protocol: str, body: dict[str, Any]) -> Signal:
    if protocol == "nec":
        address, command = (_number(name, key, body, 0xFFFF) for key in ("address", "command"))
        repeats = _number(name, "command_repeats", body, 1 + MOST_REPEATS, 1) - 1
        sent = f"{address:016b}"[::-1] + f"{command:016b}"[::-1]
        return bits.signal(name, "nec", sent, max(0, repeats))
    if protocol == "panasonic":
        address, command = _number(name, "address", body, 0xFFFF), _number(name, "command", body, 0xFFFFFFFF)
        return bits.signal(name, "kaseikyo", f"{address:016b}{command:032b}")
    if protocol == "rc5":
        address, command = _number(name, "address", body, 31), _number(name, "command", body, 127)
        return from_fields(name, "rc5x" if command > 63 else "rc5", address=address, command=command)
    if protocol == "rc6":
        address, command = _number(name, "address", body, 255), _number(name, "command", body, 255)
        if _number(name, "mode", body, 7, 0):
            raise FormatError(
                f"{name}: RC6 mode {body['mode']} is known, but not spoken here; only mode 0 is"
            )
        return from_fields(name, "rc6", address=address, command=command)
    if protocol in DATA:
        kind, usual = DATA[protocol]
        size = _number(name, "nbits", body, 64, usual)
        if size not in bits.COUNTS[kind]:
            told = ", ".join(map(str, bits.COUNTS[kind]))
            raise FormatError(
                f"{name}: transmit_{protocol} of {size} bits is known, but not spoken here; {told} are"
            )
        return bits.signal(name, kind, f"{_number(name, 'data', body, (1 << size) - 1):0{size}b}")
    if protocol in NOT_SPOKEN:
        raise FormatError(f"{name}: transmit_{protocol} is known, but not spoken here; take its raw timings")
    raise FormatError(f"{name}: transmit_{shown(protocol)} is not known here")


def dump(signals: list[Signal]) -> tuple[str, list[str]]:
    buttons, lost = [], []
    for signal in signals:
        check_name(signal.name)
        protocol, body, told = _action(signal)
        lost += told
        buttons.append({"platform": "template", "name": signal.name, "on_press": [{ACTION + protocol: body}]})
    return yamltree.text({"button": buttons}), lost


def _action(signal: Signal) -> tuple[str, dict[str, Any], list[str]]:
    pressed = press(signal)
    if pressed and (made := _as_action(pressed)):
        return *made, as_numbers(signal, pressed, toggle=False)
    body = {"carrier_frequency": f"{signal.carrier}Hz", "code": yamltree.Flow(signed(signal.once))}
    return "raw", body, not_held(signal)


def _as_action(pressed: Press) -> tuple[str, dict[str, Any]] | None:
    """(protocol, settings) of ESPHome's own action for a press; None where it has none that sends this."""
    fields, sent = pressed.fields, bits.of_fields(pressed.fields)
    kind, number = bits.kind(fields["protocol"]), yamltree.Hex
    if kind == "nec":
        body = {"address": number(int(sent[15::-1], 2), 4), "command": number(int(sent[:15:-1], 2), 4)}
        return "nec", body | ({"command_repeats": pressed.repeats + 1} if pressed.repeats else {})
    body = {}
    sends = _WHOLE_AGAIN.get(kind, 1) + pressed.repeats
    if sends > 1:
        if kind not in _WHOLE_AGAIN:
            return None
        timings, _ = codecs.module(fields["protocol"]).train(fields, 0)
        # ESPHome's frames of Sony end with a space of 600 µs, and Samsung's with one of 560.
        own = {"sony": 600, "samsung": 560}.get(kind, 0)
        body = {"repeat": {"times": sends, "wait_time": f"{timings[-1] - own}us"}}
    if kind in ("rc5", "rc6"):
        return kind, {
            "address": number(fields["address"], 2),
            "command": number(fields["command"], 2),
            **body,
        }
    if kind == "kaseikyo":
        return "panasonic", {
            "address": number(int(sent[:16], 2), 4),
            "command": number(int(sent[16:], 2), 8),
            **body,
        }
    protocol = next((theirs for theirs, (ours, _) in DATA.items() if ours == kind), None)
    if protocol is None:
        return None
    data: dict[str, Any] = {"data": number(int(sent, 2), (len(sent) + 3) // 4)}
    return protocol, data | ({} if kind == "jvc" else {"nbits": len(sent)}) | body
