"""The formal models, searched whole: what is promised holds, and each mistake that is put in is found."""

import pytest

from tools import spec_models


@pytest.mark.slow
@pytest.mark.parametrize(
    "check",
    spec_models.CHECKS,
    ids=[" ".join((one.model, one.claim, *one.defines)) for one in spec_models.CHECKS],
)
def test_a_promise_holds_and_a_mistake_is_found(check, program):
    program("spin")
    program("gcc")
    holds, _ = spec_models.run(check)
    assert holds is check.holds
