"""docs/virtual-board.md says what is so: its programs run, and its tables name what there is.

So does the program of docs/infrared-room.md.
"""

import ast
import inspect
import os
import re
import warnings

import pytest

from host_sim import ROOT
from host_sim.board import VirtualBoard
from host_sim.cloud.provisioning import token_for

TEXT = (ROOT / "docs" / "virtual-board.md").read_text(encoding="utf-8")
SIGNATURE, *PROGRAMS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
ROOM = (ROOT / "docs" / "infrared-room.md").read_text(encoding="utf-8")
PROGRAMS += re.findall(r"```python\n(.*?)```", ROOM, re.DOTALL)
CELLS = re.findall(r"(?m)^\| (.*?) \|", TEXT)


@pytest.mark.parametrize("program", PROGRAMS, ids=["button", "wifi", "power", "room"])
def test_the_programs_of_the_page_run(program, cloud, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HXTP_TOKEN", token_for(cloud.settings, "maker@home.example", "home"))
    (tmp_path / "build").mkdir()
    os.symlink(cloud.settings.data, "build/cloud")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # a power cut that never came
        exec(compile(program, "virtual-board.md", "exec"), {})


def test_the_tables_name_every_public_member_and_no_other():
    named = {name for cell in CELLS for name in re.findall(r"`(\w+)(?:\(.*?\))?`", cell)}
    members = {name for name in vars(VirtualBoard) if not name.startswith("_")}
    assert named == members - {"place", "start", "stop", "plugged_in"}


def test_the_arguments_are_those_of_the_class():
    shown = ast.parse(SIGNATURE, mode="eval").body.keywords
    has = inspect.signature(VirtualBoard).parameters
    for argument in shown:
        default = has[argument.arg].default
        assert ast.literal_eval(argument.value) == ({} if argument.arg == "files" else default)
    assert set(has) - {argument.arg for argument in shown} == {"folder", "firmware", "mpy"}
