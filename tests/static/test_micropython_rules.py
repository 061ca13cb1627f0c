"""The rules that neither mpy-cross nor pyright has find what they are for, and firmware/ keeps them."""

import pytest

from tools import micropython_rules


def found(source, protocol=False):
    return [text for _, text in micropython_rules.problems(source, protocol)]


def test_the_firmware_keeps_the_rules():
    files = sorted(micropython_rules.FIRMWARE.rglob("*.py"))
    assert files
    assert [text for path in files for text in micropython_rules.check(path)] == []


@pytest.mark.parametrize(
    "source",
    [
        "import hashlib\nhashlib.sha256(b'').hexdigest()",
        "import hmac",
        "from typing import Any",
        "import enum, functools",
        "from dataclasses import dataclass",
        "'7'.zfill(2)",
        "'a.py'.removesuffix('.py')",
        "(5).bit_length()",
        "b'abc'[::-1]",
        "import json\njson.dumps({}, sort_keys=True)",
    ],
)
def test_what_the_device_lacks_is_found(source):
    assert found(source)


@pytest.mark.parametrize(
    "source",
    [
        "import machine, network, time\nfrom umqtt.simple import MQTTClient",
        "from hxtp import frame\nfrom hxtp_device import clock",
        "from . import errors",
        "b'abc'[1:2], b'abc'[::1]",
        "import json\njson.dumps({}, separators=(',', ':'))",
    ],
)
def test_what_the_device_has_is_left_alone(source):
    assert found(source) == []


@pytest.mark.parametrize(
    "name", ["time", "machine", "socket", "os", "hxtp_device.clock", "capabilities.light"]
)
def test_the_protocol_imports_no_device_clock_or_socket(name):
    assert found(f"import {name}", protocol=True)
    assert found("import hashlib, json, binascii, struct\nfrom hxtp import errors", protocol=True) == []


def test_a_problem_is_told_with_its_file_and_line(tmp_path):
    firmware = tmp_path / "firmware"
    module = firmware / "lib" / "hxtp" / "sample.py"
    module.parent.mkdir(parents=True)
    module.write_text("import json\n\nimport time\n")
    assert [line.split(": ")[0] for line in micropython_rules.check(module, firmware)] == [
        "firmware/lib/hxtp/sample.py:3"
    ]
