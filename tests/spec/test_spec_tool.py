"""The ids of the specification: each once, each known where a test names it; and what is told of others."""

import json

import pytest

from tests.spec.tables import SPEC
from tools import spec

# Put together here, so that this file names no id that there is not.
A, B = "HX3-" + "DEMO-01", "HX3-" + "DEMO-02"


@pytest.fixture
def project(tmp_path):
    (tmp_path / "protocol_spec").mkdir()
    (tmp_path / "tests").mkdir()

    def write(chapter, test=""):
        (tmp_path / "protocol_spec" / "01-demo.md").write_text(chapter)
        (tmp_path / "tests" / "test_demo.py").write_text(test)
        return tmp_path

    return write


def test_the_specification_is_in_order():
    assert spec.main(["--check"]) == 0


def test_the_diagram_in_the_text_is_made_from_the_code():
    page = (SPEC / "05-session.md").read_text()
    assert spec.diagram(page) == page and "stateDiagram-v2" in page


@pytest.mark.parametrize(
    ("chapter", "test", "says"),
    [
        (f"- **{A}** It MUST be.\n- **{A}** It MUST be so.\n", "", "given twice"),
        (f"- **{A}** It is.\n", "", "0 normative sentences"),
        (f"- **{A}** It MUST be. It MUST NOT be.\n", "", "2 normative sentences"),
        (f"**{A}** It MUST be.\n", "", "on one line"),
        (f"- **{A}** It MUST be.\n\nAll MUST be well.\n", "", "without an id"),
        (f"- **{A}** It MUST be as {B} says.\n", "", f"there is no {B}"),
        (f"- **{A}** It MUST be.\n", f"def test_it():\n    '''{B}.'''\n", f"test_demo.py:2: there is no {B}"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(project, capsys, chapter, test, says):
    assert spec.main([], project(chapter, test)) == 1
    assert says in capsys.readouterr().err


def test_the_report_names_tests_and_what_no_test_names(project, capsys):
    root = project(
        f"- **{A}** It MUST be.\n- **{B}** It MUST last.\n- **{B[:-1]}3** It MAY grow. _(planned)_\n",
        f"# {A}\n@decorated\ndef test_one():\n    pass\n\n\ndef test_two():\n    # {A}\n    pass\n",
    )
    assert spec.main([], root) == 0
    report = (root / "protocol_spec" / "coverage.md").read_text()
    assert f"| {A} | `test_demo.py::test_one`, `test_demo.py::test_two` |" in report
    assert f"- {B} (01-demo.md): It MUST last." in report
    assert "tests name 1; 1 are planned" in report and f"{B[:-1]}3." in report
    assert capsys.readouterr().out.splitlines() == [
        "3 clauses, 1 of them planned; 1 named by no test",
        f"  {B}",
    ]


def test_vectors_count_as_tests_by_the_clauses_that_they_name(project, capsys):
    root = project(f"- **{A}** It MUST be.\n- **{B}** It MUST last.\n", f"# {A}\n")
    (root / "protocol_spec" / "vectors").mkdir()
    cases = [{"clauses": [A]}, {"clauses": [A, B]}]
    page = {"notes": {"Flag": {"clauses": [A]}}, "testGroups": [{"tests": cases}]}
    (root / "protocol_spec" / "vectors" / "demo.json").write_text(json.dumps(page))
    (root / "protocol_spec" / "vectors" / "demo.schema.json").write_text("{}")
    assert spec.main([], root) == 0
    report = (root / "protocol_spec" / "coverage.md").read_text()
    assert f"| {A} | `test_demo.py`, `vectors/demo.json (2)` |" in report
    assert f"| {B} | `vectors/demo.json (1)` |" in report
    assert capsys.readouterr().out.startswith("2 clauses, 0 of them planned; 0 named by no test")
    cases[0]["clauses"] = [B[:-1] + "9"]
    (root / "protocol_spec" / "vectors" / "demo.json").write_text(json.dumps(page))
    assert spec.main([], root) == 1
    assert f"demo.json:1: there is no {B[:-1]}9" in capsys.readouterr().err


def test_checking_writes_nothing(project):
    root = project(f"- **{A}** It MUST be.\n")
    assert spec.main(["--check"], root) == 0
    assert not (root / "protocol_spec" / "coverage.md").exists()


def test_tables_code_and_the_meaning_of_the_words_need_no_ids(project):
    text = "The key words MUST, MUST NOT,\nand MAY mean what they mean.\n\n| a MUST |\n\n    MUST\n"
    assert spec.main(["--check"], project(text)) == 0
