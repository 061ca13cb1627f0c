"""What the gateway's tests share: a house in virtual time, and a bench over real MQTT and TLS."""

import pytest

from host_sim.gateway.bench import Bench
from tests.gateway.house import House


@pytest.fixture
def house():
    return House()


@pytest.fixture
def bench(tmp_path):
    """Broker and gateway over TLS in `tmp_path`/data."""
    with Bench(tmp_path / "data", services=("intruder",)) as running:
        yield running
