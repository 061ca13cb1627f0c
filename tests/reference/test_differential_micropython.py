"""hxtp on real MicroPython, with a device's heap, gives the verdicts of the reference implementation.

The parsers, decoders and hashes under hxtp are other code there than on CPython.
"""

import random
import subprocess
import sys

from host_sim import FIRMWARE, ROOT
from tests.reference import pipe10_reference as reference
from tests.reference.drawing import (
    BODY,
    DEVICE,
    FIELDS,
    FRAGMENTS,
    NOW,
    ODD_NAMES,
    ODD_TEXTS,
    PREVIOUS,
    SECRET,
    SIGNED,
    TENANT,
    message,
    nested,
)

SCRIPT = ROOT / "tests" / "reference" / "judge_messages.py"
PATIENCE = 300


def corpus() -> list[bytes]:
    """Valid, damaged and hostile messages, the same ones each time."""
    choice = random.Random(20)
    body = BODY.decode()
    plain = message(FIELDS, body).encode()
    framed = reference.frame(2, plain)
    found = [
        plain,
        framed,
        message(FIELDS, None).encode(),
        message(FIELDS, body, secret=PREVIOUS).encode(),
        b"",
    ]
    found += [message(FIELDS, body, seed=seed).encode() for seed in range(20)]
    found += [message(FIELDS, nested(depth)).encode() for depth in range(2, 20)]
    found += [
        message(FIELDS, '{"x":"' + "a" * (size - 610) + '"}').encode()
        for size in (10000, 16000, 16384, 20000)
    ]
    found += [message(FIELDS, text).encode() for text in ODD_TEXTS]
    found += [message(FIELDS, f'{{"a":{text}}}').encode() for text in ODD_TEXTS]
    for name in SIGNED:
        found += [message(FIELDS, body, changes={name: choice.choice(ODD_TEXTS)}).encode() for _ in range(15)]
    for name in ODD_NAMES:
        found += [message(FIELDS, body, more=[(name, choice.choice(ODD_TEXTS))]).encode() for _ in range(3)]
    for size in range(0, len(framed), 7):
        found += [framed[:size], plain[:size]]
    for _ in range(1200):
        damaged = bytearray(choice.choice([plain, framed]))
        at = choice.randrange(len(damaged))
        damaged[at : at + choice.randrange(3)] = choice.choice([bytes([choice.randrange(256)]), *FRAGMENTS])
        found.append(bytes(damaged))
    for _ in range(600):
        text = b"".join(choice.choices(FRAGMENTS, k=choice.randrange(1, 10)))
        found += [text, b'{"x":' + text + b"}", message(FIELDS, '{"x":"%s"}').encode().replace(b"%s", text)]
    return found


def expected(data: bytes) -> str:
    verdict = reference.verify(data, "any", [SECRET, PREVIOUS], NOW, DEVICE, TENANT)
    if verdict.code is not None:
        return verdict.code
    digest = list(bytes.fromhex(reference.sha256(verdict.body))[:4])
    return f"OK {int(verdict.rotated)} {verdict.message_type} {digest}"


def disagreements(command: list[str]) -> list[tuple[str, str, bytes]]:
    messages = corpus()
    done = subprocess.run(
        [*command, str(SCRIPT), str(FIRMWARE / "lib")],
        input=b"".join(len(data).to_bytes(4, "big") + data for data in messages),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    verdicts = done.stdout.decode().splitlines()
    assert len(verdicts) == len(messages), (
        done.returncode,
        done.stderr.decode()[-2000:],
        messages[len(verdicts)],
    )
    wanted = [expected(data) for data in messages]
    assert len({text.split()[0] for text in wanted}) >= 15
    return [trio for trio in zip(verdicts, wanted, messages, strict=True) if trio[0] != trio[1]]


def test_the_corpus_on_cpython():
    assert disagreements([sys.executable]) == []


def test_the_corpus_on_micropython(micropython):
    assert disagreements(micropython.argv(heap="128K")) == []
