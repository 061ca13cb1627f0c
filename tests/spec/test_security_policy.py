"""Whoever finds a weakness is told where to report it and when to expect an answer."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_it_is_said_how_a_weakness_is_reported_and_by_when_that_is_answered():
    """HX3-SEC-03"""
    assert "private\nvulnerability reporting" in TEXT and "Report a vulnerability" in TEXT
    days = [int(number) for number in re.findall(r"\| (\d+) (?:working )?days", TEXT)]
    assert len(days) == 3 and days == sorted(days) and days[-1] <= 90


def test_what_it_points_to_is_there():
    assert (ROOT / "tests/unit/test_known_weaknesses.py").is_file()
    for path in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert (ROOT / path).is_file(), path
