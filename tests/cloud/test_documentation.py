"""docs/cloud.md says what is: the settings with their defaults, and every refusal."""

import dataclasses
import re

import pytest

from host_sim import ROOT
from host_sim.cloud.settings import Settings, SettingsError, load
from tests.cloud.raised import Sources

TEXT = (ROOT / "docs" / "cloud.md").read_text(encoding="utf-8")


def _table(heading):
    """The rows of the first table below a heading, as lists of cells."""
    below = TEXT.split(f"# {heading}\n", 1)[1]
    rows = re.search(r"(?:^\|.*\n)+", below, re.M)[0].splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def test_every_setting_is_described_with_its_default():
    told = {}
    for names, default, text in _table("Settings"):
        for name in re.findall(r"`(\w+)`", names):
            told[name] = default.strip("`")
            assert text
    there_is = {}
    for one in dataclasses.fields(Settings):
        value = str(one.default)
        there_is[one.name] = value.lower() if isinstance(one.default, bool) else value
    assert told == there_is


def test_settings_are_read_as_described(tmp_path):
    file = tmp_path / "cloud.toml"
    file.write_text("port = 1\ntier = 'pro'\nlog_level = 'error'\n")
    settings = load({"port": 3}, file, {"HXTP_CLOUD_PORT": "2", "HXTP_CLOUD_TIER": "unlimited"})
    assert (settings.port, settings.tier, settings.log_level) == (3, "unlimited", "error")
    with pytest.raises(SettingsError, match=r"HXTP_CLOUD_PRT: .*did you mean HXTP_CLOUD_PORT\?"):
        load({}, None, {"HXTP_CLOUD_PRT": "2"})
    file.write_text("prt = 1\n")
    with pytest.raises(SettingsError, match=r"there is no setting 'prt': did you mean port\?"):
        load({}, file, {})


def test_every_refusal_of_a_command_is_explained():
    told = {code for _, codes, *_ in _table("What a refusal means") for code in re.findall(r"`(\w+)`", codes)}
    read = (
        "gate.",
        "routes.commands.",
        "routes.together.",
        "access.",
        "app.",
        "errors.",
        "signed.",
        "at_once.",
    )
    raised = {one.code for one in Sources().sites() if one.where.startswith(read) and one.code is not None}
    assert {"MANIFEST_NOT_FOUND", "DEVICE_OFFLINE", "PARAMS_INVALID", "RATE_LIMIT_EXCEEDED"} <= raised
    assert raised <= told, raised - told


def test_the_pages_that_it_names_are_there():
    for name in re.findall(r"\]\(([\w-]+\.md)", TEXT):
        assert (ROOT / "docs" / name).is_file(), name
