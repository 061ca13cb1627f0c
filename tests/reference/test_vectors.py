"""The conformance vectors: in order themselves, and two implementations agree on every one."""

import ast
import json
import re
import subprocess
import sys

import jsonschema
import pytest

from host_sim import ROOT
from tests.reference import codec_reference
from tests.reference.vectors import FILES, FOLDER, SCHEMA, pages, vectors
from tests.spec.tables import table
from tools.vectors import __main__ as maker

PATIENCE = 120  # seconds after which a hanging codec is a failure
ALL = list(vectors())


def test_the_files_are_what_the_tables_make():
    assert maker.main(["--check"]) == 0


def texts_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*.json"))}


def test_a_difference_is_told_and_mended(tmp_path, capsys):
    wanted = texts_of(FOLDER)
    changed, gone, *_ = (name for name in wanted if "schema" not in name)
    (tmp_path / "http").mkdir()
    for name, text in wanted.items():
        (tmp_path / name).write_text(text.replace('"ok": true', '"ok": false') if name == changed else text)
    (tmp_path / gone).unlink()
    (tmp_path / "foreign.json").write_text("{}")
    assert maker.main(["--check"], tmp_path) == 1
    told = capsys.readouterr().err
    assert [line.split()[0] for line in told.splitlines()] == sorted([changed, gone, "foreign.json"])
    assert maker.main([], tmp_path) == 0
    assert texts_of(tmp_path) == wanted
    assert maker.main(["--chekc"], tmp_path) == 2


@pytest.mark.parametrize("page", pages().values(), ids=pages())
def test_a_file_has_the_form_of_the_schema(page):
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(page)


def test_the_schema_refuses_what_is_no_vector():
    schema = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    page = pages()["size.json"]
    test = page["testGroups"][0]["tests"][0]
    for change in (
        {"flags": []},
        {"clauses": ["HX3-1"]},
        {"expected": {"ok": False}},
        {"request_line": "x"},
        {"more": 1},
    ):
        group = {**page["testGroups"][0], "tests": [{**test, **change}]}
        assert not schema.is_valid({**page, "testGroups": [group]}), change


def test_there_are_enough_of_them_and_most_are_negative():
    assert len(ALL) >= 300
    assert sum(vector.negative for vector in ALL) >= 0.6 * len(ALL)
    assert len({vector.id for vector in ALL}) == len(ALL)
    lines = [vector.line for vector in ALL]
    again = {line for line in lines if lines.count(line) > 1}
    assert len(again) < len(ALL) // 50  # a few are asked about twice on purpose


def test_each_file_explains_its_flags_counts_its_tests_and_keeps_to_its_profiles():
    for name, page in pages().items():
        tests = [(group, test) for group in page["testGroups"] for test in group["tests"]]
        assert page["numberOfTests"] == len(tests), name
        assert {flag for _, test in tests for flag in test["flags"]} == page["notes"].keys(), name
        for group, test in tests:
            if group["profile"] is not None:
                assert test["request"]["profile"] == group["profile"], test["id"]


def test_every_code_that_verify_can_give_is_in_the_vectors():
    """HX3-VAL-01: the codes of the table of the verdict, in each profile, and the codec's own two."""
    order = {row[2] for row in table("order")}
    found = {vector.expected.get("code") for vector in ALL} - {None}
    assert found == order | {"BAD_REQUEST", "UNSUPPORTED"}
    judged = [vector for vector in ALL if vector.request and vector.request.get("op") == "verify"]
    for profile in ("pipe10", "json-full", "json-header", "auto"):
        codes = {vector.expected.get("code") for vector in judged if vector.profile == profile}
        wanted = (
            order if profile == "pipe10" else order - {code for code in order if code.startswith("FRAME_")}
        )
        assert codes - {None} >= wanted, profile
        assert None in codes


def test_the_independent_implementation_agrees_on_every_vector():
    wrong = [
        (vector.id, answer)
        for vector in ALL
        if (answer := codec_reference.answer(vector.line)) != vector.expected
    ]
    assert wrong == []


def test_our_codec_agrees_on_every_vector():
    """HX3-CODEC-01, HX3-CODEC-04: as a program, a line for a line."""
    done = subprocess.run(
        [sys.executable, "-m", "host_sim", "codec"],
        cwd=ROOT,
        input="".join(vector.line + "\n" for vector in ALL),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    wrong = [
        (vector.id, answer) for vector, answer in zip(ALL, answers, strict=True) if answer != vector.expected
    ]
    assert wrong == []


def test_the_program_in_the_readme_runs_them_against_any_codec(tmp_path):
    readme = (FOLDER / "README.md").read_text()
    assert {path.name for path in FILES} <= set(re.findall(r"`([a-z-]+\.json)`", readme))
    program = tmp_path / "run.py"
    program.write_text(readme.split("```python\n")[1].split("```")[0])
    command = [sys.executable, str(program), str(FOLDER)]

    def run(*codec: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *codec], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)

    done = run(sys.executable, "-m", "host_sim", "codec")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{len(ALL)} passed, 0 skipped, of {len(ALL)}\n"
    stub = tmp_path / "stub.py"
    stub.write_text("import sys\nfor line in sys.stdin:\n    print('{\"ok\": true}')\n")
    done = run(sys.executable, str(stub))
    assert done.returncode == 1 and "\nframe-empty\n" in done.stdout


@pytest.mark.parametrize(
    ("folder", "allowed"),
    [
        ("tools/vectors", {"tools"}),
        ("tests/reference/pipe10_reference.py", {"cryptography"}),
        ("tests/reference/json_reference.py", {"tests"}),
        ("tests/reference/codec_reference.py", {"tests"}),
        ("tests/reference/http_reference.py", {"cryptography"}),
    ],
)
def test_neither_the_tables_nor_the_reference_know_the_code_under_test(folder, allowed):
    path = ROOT / folder
    for source in [path] if path.is_file() else sorted(path.rglob("*.py")):
        for node in ast.walk(ast.parse(source.read_text())):
            names = [part.name for part in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                top = name.partition(".")[0]
                assert top in allowed or top in sys.stdlib_module_names, (source.name, name)
                assert top != "tests" or name.startswith("tests.reference"), name
                assert top != "tools" or name.startswith("tools.vectors"), name
