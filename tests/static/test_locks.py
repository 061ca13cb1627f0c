"""What is fetched is pinned by hash, and no lock file says from where: the machine's own settings do."""

import json
import re

import pytest

from host_sim import ROOT

NPM_LOCKS = [ROOT / "tests" / folder / "package-lock.json" for folder in ("micropython", "static")]
PIP_LOCKS = sorted(ROOT.glob("requirements*.lock"))


def pins(path):
    return set(re.findall(r"^([a-z0-9._-]+==\S+)", path.read_text(), re.MULTILINE))


def test_every_requirements_file_has_its_lock():
    assert [path.stem for path in PIP_LOCKS] == [path.stem for path in sorted(ROOT.glob("requirements*.in"))]


@pytest.mark.parametrize("path", PIP_LOCKS, ids=lambda path: path.name)
def test_every_python_package_has_a_hash(path):
    entries = re.split(r"^(?=[a-z0-9._-]+==)", path.read_text(), flags=re.MULTILINE)[1:]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_programs_run_on_the_versions_that_the_tests_test():
    assert pins(ROOT / "requirements-demo.lock") <= pins(ROOT / "requirements.lock")


def test_what_only_some_versions_of_python_need_is_locked_too():
    # redis wants it before 3.11.3, which is what Debian 12 has.
    assert re.search(
        r"^async-timeout==\S+ ; python_full_version < '3\.11\.3'",
        (ROOT / "requirements-demo.lock").read_text(),
        re.MULTILINE,
    )


@pytest.mark.parametrize("path", NPM_LOCKS, ids=lambda path: path.parent.name)
def test_every_npm_package_has_a_hash(path):
    packages = {name: entry for name, entry in json.loads(path.read_text())["packages"].items() if name}
    assert packages
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())


@pytest.mark.parametrize("path", NPM_LOCKS + PIP_LOCKS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_lock_names_a_host(path):
    assert "://" not in path.read_text()
