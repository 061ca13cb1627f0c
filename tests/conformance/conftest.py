import pytest

from tests.conformance.kit import Kit


@pytest.fixture
def kit(tmp_path, capsys):
    return Kit(tmp_path, capsys)
