"""Files of vectors: how they are read, and what is said of one that is none."""

import json
from pathlib import Path

import pytest

from host_sim.conformance import vectors
from host_sim.conformance.case import KitError
from tests.conformance.kit import vector


def load(kit, *tests, **changes):
    path = Path(kit.vectors(*tests))
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return vectors.load(path)


def test_a_test_is_a_line_and_the_answer_to_it(kit):
    found = load(
        kit,
        vector("one", request={"op": "reset", "é": 1}),
        vector("two", expected={"ok": False, "code": "X"}),
    )
    assert found[0].line == b'{"op":"reset","\\u00e9":1}' and found[0].expected == {"ok": True}
    assert (found[1].id, found[1].comment, found[1].group) == ("two", "about two", "a group")
    junk = {
        name: value for name, value in vector("three", request_line="{ junk").items() if name != "request"
    }
    assert load(kit, junk)[0].line == b"{ junk"


@pytest.mark.parametrize(
    "test, says",
    [
        (vector("one", request_line="junk"), "either request or request_line"),
        ({**vector("one"), "expected": "yes"}, "expected has to be an answer"),
        (vector("one", clauses=["HX3-1"]), "'HX3-1' is no clause id"),
        ({"id": "one"}, "test 'one'"),
        (["one"], "no file of vectors"),
    ],
)
def test_a_test_that_is_none_is_named(kit, test, says):
    with pytest.raises(KitError, match=says):
        load(kit, test)


def test_a_line_that_is_two_is_refused(kit):
    two = {name: value for name, value in vector("x", request_line="a\nb").items() if name != "request"}
    with pytest.raises(KitError, match="a request is one line"):
        load(kit, two)


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"numberOfTests": 7}, "says 7, and there are 1"),
        ({"testGroups": 7}, "no file of vectors"),
        ({"testGroups": []}, "numberOfTests"),
        (
            {"testGroups": [{"name": "g", "profile": "pipe11", "tests": [vector("x")]}]},
            "profile 'pipe11' is none of",
        ),
    ],
)
def test_a_file_that_is_none_is_named(kit, changes, says):
    with pytest.raises(KitError, match=says):
        load(kit, vector("one"), **changes)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "[" * 100000])
def test_a_file_of_anything_else_is_refused(kit, text):
    with pytest.raises(KitError):
        vectors.load(kit.file("vectors.json", text))


def test_an_id_is_given_once_over_all_files(kit):
    kit.vectors(vector("one"))
    (kit.folder / "more.json").write_bytes((kit.folder / "vectors.json").read_bytes())
    with pytest.raises(KitError, match="the vector one is there twice"):
        vectors.load(kit.folder)


def test_a_folder_without_any_is_refused(kit):
    (kit.folder / "vectors.schema.json").write_text("{}")
    with pytest.raises(KitError, match="there are no vectors in"):
        vectors.load(kit.folder)
