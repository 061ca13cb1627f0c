"""Whoever sends a text of another form is told in words, and by an example, what it has to look like."""

import re

import pytest
from pydantic import BaseModel, Field, ValidationError

from host_sim.cloud.words import WORDS, of_error
from tests.cloud.described import document


def _patterns(part) -> set[str]:
    if isinstance(part, dict):
        own = {part["pattern"]} if isinstance(part.get("pattern"), str) else set()
        return own.union(*map(_patterns, part.values()))
    return set().union(*map(_patterns, part)) if isinstance(part, list) else set()


def test_every_pattern_of_the_description_has_words_and_an_example_that_fits():
    told = document()
    used = _patterns(told["paths"]) | _patterns(told["components"]["schemas"])
    assert len(used) > 15
    assert used == set(WORDS)
    for pattern, (means, example) in WORDS.items():
        assert re.fullmatch(pattern, example), pattern
        assert not re.search(r"[\^$\\{}]|\[", means), means


@pytest.mark.parametrize(
    ("method", "path", "sent", "told"),
    [
        ("POST", "/firmware/check", {"device_type": "esp32", "current_version": "abc"}, "SemVer 2.0"),
        ("POST", "/groups", {"name": "\n"}, "more than spaces, such as Reading lamp"),
        ("GET", "/devices?cursor=1", None, "`next_cursor` of the page before"),
        ("GET", "/devices/a%20b", None, "1 to 36 letters, digits or . _ : -, such as 9f86d081"),
    ],
)
def test_a_text_of_another_form_is_told_in_words(api, method, path, sent, told):
    answer = api().request(method, path, json=sent)
    assert answer.status_code == 400
    body = answer.json()
    assert told in body["message"] and "such as" in body["message"]
    assert not re.search(r"[\^$\\]|\[", answer.text.replace('"details":[', "")), answer.text


def test_a_pattern_without_words_is_not_shown():
    class New(BaseModel):
        word: str = Field(pattern="^[xyz]$")

    with pytest.raises(ValidationError) as failed:
        New(word="a")
    assert of_error(failed.value.errors()[0]) == "it has another form than the API's description says"
