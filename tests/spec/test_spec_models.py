"""What is said of a model's check is what SPIN found; test_models.py searches the models themselves."""

import re

import pytest

from tools import spec_models

FOUND = "State-vector 72 byte, depth reached 812, errors: {}\n   178638 states, stored\n"


def test_what_spin_says_is_understood():
    assert spec_models.verdict(FOUND.format(0)) == (True, 178638)
    assert spec_models.verdict(FOUND.format(1)) == (False, 178638)
    assert spec_models.verdict(FOUND.format(0).replace("178638", "1.2e+07")) == (True, 12000000)


@pytest.mark.parametrize("more", ["error: max search depth too small", "Warning: Search not completed"])
def test_half_a_search_proves_nothing(more):
    with pytest.raises(ValueError):
        spec_models.verdict(FOUND.format(0) + more)
    assert spec_models.verdict(FOUND.format(1) + more)[0] is False


def test_no_result_is_an_error():
    with pytest.raises(ValueError):
        spec_models.verdict("gibberish")


def test_without_spin_it_is_said_loudly(monkeypatch, capsys):
    monkeypatch.setattr(spec_models.shutil, "which", lambda name: None)
    assert spec_models.main() == 0
    assert "NOT CHECKED" in capsys.readouterr().out


@pytest.mark.parametrize(("found", "status"), [(True, 1), (False, 1), (None, 0)])
def test_a_mistake_that_is_not_found_and_a_property_that_fails_are_errors(monkeypatch, found, status):
    monkeypatch.setattr(spec_models, "missing", list)
    monkeypatch.setattr(spec_models, "run", lambda check: (check.holds if found is None else found, 1))
    assert spec_models.main() == status


def test_every_check_names_a_model_and_each_mistake_in_it_is_tried():
    for check in spec_models.CHECKS:
        text = (spec_models.MODELS / check.model).read_text()
        assert f"ltl {check.claim} " in text
        assert all(define.split("=")[0] in text for define in check.defines)
    tried = {define for check in spec_models.CHECKS for define in check.defines}
    for path in spec_models.MODELS.glob("*.pml"):
        mistakes = set(re.findall(r"\bWRONG_\w+", path.read_text()))
        assert mistakes <= tried
