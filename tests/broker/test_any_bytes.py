"""Any bytes: they are packets or an error, however they are sliced, and harm nobody else.

Hypothesis chooses them here and climbs towards streams with many packets in them; `make fuzzbytes` looks
further, led by coverage.
"""

import pytest
from hypothesis import given, target
from hypothesis import strategies as st

from tests.broker.any_bytes import SEEDS, one_input

PIECES = st.sampled_from([seed[1:] for seed in SEEDS]) | st.binary(max_size=12)


@st.composite
def streams(draw):
    """Packets and noise in turn, and a few bytes of it all changed."""
    data = bytearray(draw(st.binary(min_size=1, max_size=1)) + b"".join(draw(st.lists(PIECES, max_size=6))))
    for _ in range(draw(st.integers(0, 4))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


@given(streams() | st.binary(max_size=200))
def test_any_bytes_are_packets_or_an_error_and_harm_nobody_else(data):
    target(float(one_input(data)), label="packets")


@pytest.mark.parametrize("choice", range(8))
@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed {seed[0]}")
def test_the_bytes_that_the_search_begins_with(seed, choice):
    assert one_input(bytes([choice]) + seed[1:]) > 0
