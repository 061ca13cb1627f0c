"""Keeps the long runs out of a plain `pytest`: they are collected where a path names them (`make soak`)."""

from pathlib import Path

HERE = Path(__file__).resolve().parent


def pytest_ignore_collect(collection_path, config):
    for argument in config.args:
        if (config.invocation_params.dir / argument.split("::")[0]).resolve().is_relative_to(HERE):
            return None
    return True
