"""docs/infrared.md says what is so: its table, its picture, and every command in it."""

import doctest
import re
import shlex
import shutil

import pytest

import host_sim.ir
from capabilities.ir import learner
from host_sim import ROOT, params
from host_sim.cloud_client import cli as client
from host_sim.ir import cli, formats, show, table
from host_sim.ir.signals import from_fields

TEXT = (ROOT / "docs" / "infrared.md").read_text(encoding="utf-8")
LINES = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
]
COMMANDS = [line for line in LINES if shlex.split(line)[3] == "ir"]
LEARNING = [line for line in LINES if line not in COMMANDS]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with the samples, as a checkout has them."""
    shutil.copytree(ROOT / "docs" / "samples", tmp_path / "docs" / "samples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("sample", sorted((ROOT / "docs" / "samples").iterdir()), ids=lambda path: path.name)
def test_every_sample_is_used_and_whole(sample, capsys):
    assert f"docs/samples/{sample.name} " in TEXT
    assert cli.main(["list", str(sample)]) == 0, capsys.readouterr().err


def test_the_sample_of_a_flipper_is_as_they_are():
    signals = formats.load("flipper", (ROOT / "docs" / "samples" / "tv.ir").read_text())
    assert {signal.fields is None for signal in signals} == {True, False}  # parsed, and raw


def test_the_table_is_what_the_formats_do():
    start = TEXT.index("| format |")
    assert TEXT[start : TEXT.index("\n\n", start) + 1] == table.markdown()


def test_the_picture_is_what_the_command_draws():
    picture = (ROOT / "docs" / "infrared-frame.svg").read_text(encoding="utf-8")
    assert picture == show.svg(from_fields("Power", "nec", address=4, command=8))


def test_there_are_commands_for_everything_that_the_command_does():
    assert {shlex.split(line)[4] for line in COMMANDS} == {"list", "show", "send", "convert"}


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_documentation_works(line, files, sent, capsys):
    words = shlex.split(line.partition(" > ")[0])
    assert words[:4] == [".venv/bin/python", "-m", "host_sim", "ir"]
    status = cli.main(words[4:])
    out, err = capsys.readouterr()
    assert (status, "left out: Fan speed: " in err) == (("--keep-going" in words), "--keep-going" in words), (
        err
    )
    assert out
    assert len(sent) == (words[4] == "send")


@pytest.mark.parametrize("line", LEARNING)
def test_every_command_that_learns_is_one_of_the_device(line, sent, capsys):
    words = shlex.split(line)
    assert words[:5] == [".venv/bin/python", "-m", "host_sim", "client", "command"]
    assert client.main(words[4:]) == 0, capsys.readouterr().err
    (request,) = sent
    declared = {**learner.Learner.ACTIONS, "ir_tv_power": (400, *learner._LEARNED)}
    manifest = {
        "capabilities": [
            {"action": action, "paramSchema": {"properties": spec[2]}} for action, spec in declared.items()
        ]
    }
    params.checked(manifest, request["action"], request["params"])  # raises where the device would refuse


def test_the_example_of_the_package_is_so():
    found = doctest.testmod(host_sim.ir)
    assert (found.attempted, found.failed) == (7, 0)


def test_the_program_of_the_documentation_runs(files, capsys):
    (program,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(compile(program, "infrared.md", "exec"), {})
    assert capsys.readouterr().out.startswith("Power 38000 {'protocol': 'nec', ")
    assert (files / "power.svg").read_text(encoding="utf-8").startswith("<svg")
