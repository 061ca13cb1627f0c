"""What every test of the demonstration shares."""

import pytest


@pytest.fixture(autouse=True)
def _programs_run_here(logging_as_it_was) -> None:
    """It sets up logging for its process, which here may be that of the tests."""
