"""The harness itself: what it must notice, it notices."""

import textwrap

import pytest

from tests.micropython.running import compiled_tree, run_compiled, run_sources


@pytest.fixture(params=["micropython", "micropython_wasm"])
def outcome_of(request, tmp_path):
    """outcome_of(source) runs that text as a test file on the runtime of the parameter."""
    runtime = request.getfixturevalue(request.param)

    def outcome(source):
        file = tmp_path / "checkout" / "tests" / "unit" / "test_sample.py"
        file.parent.mkdir(parents=True)
        file.write_text(textwrap.dedent(source))
        if request.param == "micropython_wasm":
            return run_sources(runtime, file, tmp_path / "checkout")
        return run_compiled(runtime, compiled_tree(tmp_path / "bytecode", tmp_path / "checkout"), file)

    return outcome


def test_a_failing_test_is_reported_with_its_traceback(outcome_of):
    outcome = outcome_of(
        """
        def test_right():
            assert 1 + 1 == 2

        def test_wrong():
            answer = 3
            assert 1 + 1 == answer

        def test_right_again():
            pass
        """
    )
    assert not outcome.passed
    assert (outcome.ran, outcome.failed) == (3, ["test_wrong"])
    assert "assert 1 + 1 == answer" in outcome.report
    assert "test_right" not in outcome.report


def test_a_file_that_does_not_import_fails(outcome_of):
    outcome = outcome_of("import dataclasses\ndef test_nothing():\n    pass\n")
    assert not outcome.passed
    assert "dataclasses" in outcome.report


def test_a_file_without_tests_fails(outcome_of):
    assert not outcome_of("def helper():\n    pass\n").passed


def test_two_tests_of_one_name_fail(outcome_of):
    assert not outcome_of("def test_a():\n    pass\ndef test_a():\n    pass\n").passed


@pytest.mark.parametrize("place", ["in a test", "at import"])
def test_leaving_early_is_no_success(outcome_of, place):
    leaving = {
        "in a test": "def test_it():\n    sys.exit(0)\n",
        "at import": "sys.exit(0)\ndef test_it():\n    pass\n",
    }
    assert not outcome_of("import sys\n" + leaving[place]).passed


@pytest.mark.parametrize("outcome_of", ["micropython"], indirect=True)
def test_the_heap_limit_holds(outcome_of):
    outcome = outcome_of(
        "def test_fits():\n    bytearray(64000)\ndef test_too_big():\n    bytearray(200000)\n"
    )
    assert (outcome.ran, outcome.failed) == (2, ["test_too_big"])
    assert "MemoryError" in outcome.report


def test_the_version_and_width_are_what_the_runtime_says(outcome_of, request):
    runtime = request.getfixturevalue(request.node.callspec.params["outcome_of"])
    version = tuple(int(part) for part in runtime.version.split("-")[0].split("."))
    outcome = outcome_of(
        f"""
        import struct
        import sys

        def test_it():
            assert sys.implementation[1][:3] == {version}
            assert struct.calcsize("P") * 8 == {runtime.bits}
        """
    )
    assert outcome.passed, outcome.report
