"""As many files as the system allows, and a word to the operator where they run out."""

import logging
import resource

import pytest

from host_sim.cloud import open_files


@pytest.fixture
def limits():
    """The process's, which are as before afterwards."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_process_takes_all_files_that_it_may_have(limits):
    soft, hard = limits
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, soft), hard))
    assert open_files.raise_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard
    assert open_files.raise_limit() == hard


def test_where_the_system_refuses_that_the_process_goes_on(limits, monkeypatch, caplog):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 1 << 40))
    assert open_files.raise_limit() == 1024 and "no more than 1024 files" in caplog.text


def test_that_files_have_run_out_is_told_once_and_with_what_to_do(caplog):
    logger = logging.getLogger("asyncio")
    before = list(logger.filters)
    try:
        logger.filters[:] = []
        for _ in range(2):
            open_files.tell_once()
        for _ in range(50):
            logger.error("socket.accept() out of system resource\nsocket: <socket>")
        logger.error("something else")
    finally:
        logger.filters[:] = before
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2 and "LimitNOFILE" in told[0] and told[1] == "something else"
