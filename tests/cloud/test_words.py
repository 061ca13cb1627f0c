"""Whoever sends a text of another form is told in words, and by an example, what it has to look like."""

import re

import pytest
from pydantic import BaseModel, Field, ValidationError

from host_sim.cloud.description.words import WORDS, of_error
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


@pytest.mark.parametrize(
    ("path", "sent", "told"),
    [
        ("/intent", {"type": "x"}, "body: 'type' is one of 'device.control', 'room.control'"),
        ("/intent", {}, "it has to say what it is: 'type' is missing"),
        ("/scenes", {"name": "s", "steps": []}, "there are 0, and have to be 1 at least"),
        ("/scenes", {"name": "s", "steps": {}}, "this has to be a list: […]"),
        ("/scenes", [], "body: this has to be an object: {…}"),
        ("/homes", {"name": "h", "timezone": "Mars"}, "body.timezone: this is no IANA time zone"),
    ],
)
def test_what_is_wrong_is_told_in_our_own_words_and_where_it_is_described(api, path, sent, told):
    body = api().post(path, json=sent).json()
    assert told in body["message"] and body["hint"] == f"/api/v1/docs describes POST {path}"
    assert not re.search("Value error|Input tag|after validation|dictionary", str(body))


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, "a valid bearer token is missing"),
        ({"X-API-Key": "hxtp_x"}, "X-API-Key is not read here"),
        ({"Authorization": "Basic eDp4"}, "Authorization holds no bearer token"),
        ({"Authorization": "Bearer hxtp_" + "a" * 40}, "no API key of this cloud, or it has been revoked"),
    ],
)
def test_who_is_not_let_in_is_told_why_without_telling_which_keys_there_are(api, headers, told):
    answer = api(None).get("/auth/me", headers=headers)
    assert answer.status_code == 401 and told in answer.json()["message"]
    assert "Authorization: Bearer TOKEN" in answer.json()["hint"]


def test_a_pattern_without_words_is_not_shown():
    class New(BaseModel):
        word: str = Field(pattern="^[xyz]$")

    with pytest.raises(ValidationError) as failed:
        New(word="a")
    assert of_error(failed.value.errors()[0]) == "it has another form than the API's description says"
