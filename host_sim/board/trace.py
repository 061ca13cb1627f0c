"""What a virtual board did: its events, and the view of its pins that follows from them.

It must never need the board itself: a trace that was kept can be read again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from host_sim.counted import counted

RESET_CAUSES = {1: "power-on", 2: "reset", 3: "watchdog", 4: "deep sleep", 5: "soft reset"}


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the trace.

    `n` counts from 1 over the board's whole life, `boot` from 1 over its starts; `t_us` is the board's own
    time since that start and `at` the host's `time.monotonic()` when the event arrived. `ev` is the kind,
    `data` the rest:

        boot {cause, runtime}  end {}  exit {script}  crash {script, error}
        reset {cause}  deepsleep {ms}  power_cut {at, writes}
        pin {pin, value: 0|1|None}   pwm {pin, freq, duty_u16}; freq 0 means stopped   input {pin, value}
        edges {pin, moved, told}: a train is over; how often the pin moved and its handler was called
        neopixel {pin, data: hex in wire order, timing}   ap {ssid}   wifi {state, ssid}
        rmt {pin, channel, tick_hz, carrier: [Hz, duty, level]|None, idle, loop,
             level: 0|1|[…], pulses: [ticks…]}
        nvs {space, keys, bytes, writes}   file {op, name, bytes?, writes}   rtc {rtc_us}   wdt {timeout_ms}
        and from the host's side, at the time that it has by then: off {cause: str}
    """

    n: int
    boot: int
    t_us: int
    ev: str
    at: float
    data: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.data[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self.data.get(name, default)

    def __str__(self) -> str:
        values = " ".join(f"{name}={value}" for name, value in self.data.items())
        return f"{self.t_us / 1e6:11.6f} s  {self.ev:<9}{values}"


def pulses_us(event: Event) -> list[tuple[int, float]]:
    """The frame of an `rmt` event as (level, µs) pairs, equal levels in a row put together."""
    level, tick_us = event["level"], 1e6 / event["tick_hz"]
    levels = level if isinstance(level, list) else [(level + i) & 1 for i in range(len(event["pulses"]))]
    merged: list[tuple[int, float]] = []
    for now, ticks in zip(levels, event["pulses"], strict=True):
        if merged and merged[-1][0] == now:
            merged[-1] = (now, merged[-1][1] + ticks * tick_us)
        else:
            merged.append((now, ticks * tick_us))
    return merged


def pins(events: Iterable[Event]) -> dict[int, dict[str, Any]]:
    """The last that was seen of every pin since the last start: {"value": …}, {"freq": …, "duty_u16": …},
    {"neopixel": hex} or {"rmt": [(level, µs), …], "carrier": …}."""
    view: dict[int, dict[str, Any]] = {}
    for event in events:
        if event.ev in ("boot", "off"):
            view = {}
        elif event.ev == "pin":
            view[event["pin"]] = {"value": event["value"]}
        elif event.ev == "pwm":
            if event["freq"]:
                view[event["pin"]] = {"freq": event["freq"], "duty_u16": event["duty_u16"]}
            else:
                view.pop(event["pin"], None)
        elif event.ev == "neopixel":
            view[event["pin"]] = {"neopixel": event["data"]}
        elif event.ev == "rmt":
            view[event["pin"]] = {"rmt": pulses_us(event), "carrier": event["carrier"]}
    return view


def describe(event: Event) -> str | None:
    """One line for a person, for what is seen from outside of the board; None for what is not."""
    pin = event.get("pin")
    match event.ev:
        case "boot":
            return f"board starts ({RESET_CAUSES.get(event['cause'], event['cause'])}, {event['runtime']})"
        case "reset":
            return f"board resets ({RESET_CAUSES.get(event['cause'], event['cause'])})"
        case "off":
            return f"board is off ({event['cause']})"
        case "crash":
            return f"{event['script']} ended with {event['error']}"
        case "pin":
            return f"GPIO{pin} " + {0: "low", 1: "high", None: "let go"}[event["value"]]
        case "pwm":
            if not event["freq"]:
                return f"GPIO{pin} PWM off"
            return f"GPIO{pin} PWM {event['duty_u16'] * 100 / 65535:.1f} % at {event['freq']} Hz"
        case "neopixel":
            data = event["data"]
            return f"GPIO{pin} NeoPixel {data if len(data) <= 48 else data[:48] + '…'}"
        case "rmt":
            total = sum(us for _, us in pulses_us(event)) / 1000
            carrier = f" at {event['carrier'][0]} Hz" if event["carrier"] else ""
            return f"GPIO{pin} sends {counted(len(event['pulses']), 'pulse')} in {total:.1f} ms{carrier}"
        case "wifi":
            return "Wi-Fi " + event["state"]
        case "input":
            return f"GPIO{pin} from outside: {event['value']}"
    return None
