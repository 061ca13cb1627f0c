"""Where the time of a verified command goes: `python tools/verify_parts.py`.

Times the steps of `hxtp`'s own path on the messages of `verify_hxtp`, each by itself, beside that row's
floor, all in one run; a step that holds others is not their sum to the last digit.
"""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from host_sim.bench import timing, verify
from hxtp import envelope, frame, jsonscan, sign
from hxtp.replay import Floor


def steps() -> dict[str, Callable[[], object]]:
    """{what: a call that does it with every message}."""
    data = verify.messages()
    key = sign.Key(verify.SECRET)
    verifier = envelope.Verifier(frame.TO_DEVICE, [(key, Floor())], verify.DEVICE, verify.TENANT, True)
    read = [verifier.judge(message, verify.NOW, "cmd") for message in data]
    assert not any(message.code for message in read)

    def each(step: Callable[[bytes], object]) -> Callable[[], object]:
        return lambda: [step(message) for message in data]

    def each_read(step: Callable[[envelope.Message], object]) -> Callable[[], object]:
        return lambda: [step(message) for message in read]

    return {
        "all: judge, accept, read the body, dispatch": lambda: verify.Dispatcher("hxtp", sign.Key)(data),
        "judge": each(lambda message: verifier.judge(message, verify.NOW, "cmd")),
        "  parse": each(lambda message: envelope.parse(message, envelope.Message())),
        "    open the frame": each(frame.open_frame),
        "    scan: strict JSON, members": each(lambda message: jsonscan.scan(message, frame.HEADER)),
        "  hash the body": each_read(lambda message: sign.digest(message.body)),
        "  MAC": each_read(lambda message: key.mac(message.signed)),
        "  compare": each_read(lambda message: sign.equal(message.signature, message.signature)),
        "make values of the body": each_read(lambda message: message.params()),
        "floor: one JSON parser, one SHA-256, one HMAC": lambda: verify.floor_stdlib(data),
        "a loop and a call": each(lambda message: None),
    }


def main() -> int:
    spent = timing.interleaved(steps())
    whole = next(iter(spent.values()))
    for name, seconds in spent.items():
        print(f"{seconds / verify.COUNT * 1e6:6.1f} us  {seconds / whole:4.0%}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
