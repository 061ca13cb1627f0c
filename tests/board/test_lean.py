"""The stand-ins with fewer names of their own: what nobody outside can see is exchanged, and nothing else."""

import ast
import re

import pytest

from host_sim.board import rom as roms
from host_sim.board.lean import SPARE, lean
from tests.board.running import said

# Names of their own that the stand-ins may bring to the interpreter, all that a learning remote uses loaded.
MOST = 300


def sources():
    return {name: path.read_text() for name, path in roms._sources().items()}


def test_what_others_can_name_stays():
    text = """\
import _inside

MICROPYTHON = sys.implementation.name == "micropython"


def freq(value, *, duty=1):
    return _inside.scaled(value, duty) if MICROPYTHON else None


def _hidden(amount):
    return [freq(amount, duty=_inside.FULL), freq.depth, _inside.asked, __name__]
"""
    inside = """\
FULL = 9
asked = "asked"
depth = 3


def scaled(amount, share):
    return amount * share + depth
"""
    made = lean({"pwm": text, "_inside": inside}, "import pwm")
    assert "MICROPYTHON" not in made["pwm"] and " if True else None" in made["pwm"]
    names = {
        word for part in made.values() for word in re.findall(r"[A-Za-z_]\w*", part) if word not in SPARE
    }
    assert {"freq", "value", "duty", "depth", "_inside", "asked", "__name__"} <= names
    assert not {"_hidden", "amount", "share", "scaled", "FULL"} & names


def test_it_stays_the_same_program_line_by_line():
    """Exchanged back, name for name, each module is what it was."""
    before = sources()
    after = lean(before, roms.LAUNCH.read_text())
    known = {}
    for name, text in before.items():
        old, new = (list(ast.walk(ast.parse(one))) for one in (_on_micropython(text), after[name]))
        assert [(type(one), getattr(one, "lineno", 0)) for one in old] == [
            (type(one), getattr(one, "lineno", 0)) for one in new
        ]
        for one, other in zip(old, new, strict=True):
            for field in ("id", "attr", "name", "arg"):
                if isinstance(was := getattr(one, field, None), str):
                    assert known.setdefault(was, getattr(other, field)) == getattr(other, field), was
    assert len(set(known.values())) == len(known)
    changed = {name for name, new in known.items() if name != new}
    assert changed and {known[name] for name in changed} <= set(SPARE)
    assert (
        "_board" in known and not {"_board", "Pin", "value", "connect", "isconnected", "_send_str"} & changed
    )


def _on_micropython(text):
    text = re.sub(r"(?m)^MICROPYTHON = .*$", "", text)
    return re.sub(
        r"\b(_board\.)?MICROPYTHON\b",
        "True",
        text.replace('sys.implementation.name == "micropython"', "True"),
    )


@pytest.fixture
def runtime(micropython):
    return "micropython"


def test_the_interpreter_brings_the_names_that_are_given(make):
    board = make(
        """
        import esp32, machine, micropython, network, ntptime, os, select, socket, ssl, time
        import umqtt.simple
        import _edges
        esp32.RMT
        micropython.qstr_info()
        """
    )
    line = board.wait_for_log("n_qstr")
    assert int(re.search(r"n_qstr=(\d+)", line)[1]) < MOST, said(board)
