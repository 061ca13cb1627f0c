"""What is fetched for these tests alone is pinned by hash, comes from where the machine's settings say, and
hides nothing of ours.
"""

import json
import re
from pathlib import Path

import pytest

from host_sim import fetching
from tests.broker import python_packages

HERE = Path(__file__).parent
LOCKS = sorted(HERE.glob("*.lock"))


@pytest.mark.parametrize("path", [*LOCKS, HERE / "package-lock.json"], ids=lambda path: path.name)
def test_no_lock_names_a_host(path):
    assert "://" not in path.read_text()


def test_every_npm_package_has_a_hash():
    packages = json.loads((HERE / "package-lock.json").read_text())["packages"]
    assert all(entry["integrity"].startswith("sha512-") for name, entry in packages.items() if name)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_python_package_has_a_hash(path):
    pins = re.findall(r"^\S+==\S+(?: \\\n    --hash=sha256:[0-9a-f]{64})+$", path.read_text(), re.MULTILINE)
    assert len(pins) == path.read_text().count("==") == 1


def test_a_package_is_fetched_once_whole_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "CACHE", tmp_path)
    fails, asked = [True], []

    def run(command, folder):
        asked.append(command)
        target = Path(command[command.index("--target") + 1])
        for name in ("package", "tests"):
            (target / name).mkdir(parents=True)
        if fails.pop():
            raise fetching.FetchFailed("no network")

    monkeypatch.setattr(fetching, "run", run)
    with pytest.raises(fetching.FetchFailed):
        python_packages.fetch(LOCKS[0])
    assert [path.name for path in tmp_path.iterdir()] == ["fetch.lock"]
    fails.append(False)
    folder = python_packages.fetch(LOCKS[0])
    assert python_packages.fetch(LOCKS[0]) == folder
    assert [path.name for path in folder.iterdir()] == ["package"]
    assert len(asked) == 2
    assert {"--require-hashes", "--no-deps"} <= set(asked[1])
