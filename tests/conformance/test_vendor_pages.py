"""What a vendor is told to copy works: the command of the workflow, and what the page names is there."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from host_sim.conformance import vectors
from tests.conformance.kit import YES, vector

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ROOT / "protocol_spec" / "conformance-action.yml"
PAGE = ROOT / "docs" / "conformance.md"


def command():
    """The words of the workflow's step: a folded scalar is one line."""
    folded = re.search(r"run: >-\n((?: {10}.+\n)+)", WORKFLOW.read_text())[1]
    return " ".join(folded.split())


@pytest.mark.parametrize("sound", [True, False])
def test_the_workflows_command_runs_from_a_vendors_folder_without_any_package(kit, sound):
    codec = kit.codec(YES if sound else "say('no')")
    tests = kit.vectors(vector("one"))
    # As there, but for a few vectors; -S: without site packages.
    line = command().replace("python -m host_sim", f"{shlex.quote(sys.executable)} -S -m host_sim")
    done = subprocess.run(
        ["sh", "-ec", f"{line} --vectors {shlex.quote(tests)}"],
        cwd=kit.folder,
        env={"PATH": os.environ.get("PATH", os.defpath), "CODEC": codec, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == (0 if sound else 1), done.stderr
    report = json.loads((kit.folder / "conformance.json").read_text())
    assert (report["passed"], report["failed"]) == ((1, 0) if sound else (0, 1))
    assert {path.suffix for path in kit.folder.glob("conformance.*")} == {".xml", ".json", ".html"}


def test_every_option_that_the_page_names_is_there(kit):
    # What stands in quotes, or behind another program's name, is that program's.
    text = re.sub(r"'[^'\n]*'", "''", PAGE.read_text())
    lines = [line for line in text.splitlines() if "host_sim client" not in line and "-m tools." not in line]
    named = set(re.findall(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*", "\n".join(lines))) - {"--help"}
    known = set(re.findall(r"--[a-z-]+", kit("--help").out))
    assert len(named) > 10 and named <= known


def test_every_file_and_case_that_the_page_names_is_there():
    text = PAGE.read_text()
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (PAGE.parent / link).exists(), link
    ids = {each.id for each in vectors.load()}
    named = set(
        re.findall(r"^(?:\[.+\] (?:ok|FAILED) +)?([a-z]+(?:-[a-z0-9]+)+)(?::|  #)", text, re.MULTILINE)
    )
    assert len(named) >= 3 and named <= ids
    for pattern in re.findall(r"`([a-z]+-)\*`", text):
        assert any(id.startswith(pattern) for id in ids), pattern
