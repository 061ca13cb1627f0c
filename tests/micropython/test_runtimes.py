"""Fetching the runtimes: what is refused, what is fallen back to, and what a machine that cannot have one is
told.

The network and the programs that use it are stood in for where commands are run; `make runtimes` is the real
thing.
"""

import hashlib
import json
import threading
import time

import pytest

from host_sim import ROOT, fetching, node, runtimes

MIRROR = "scheme://mirror.invalid/debian/"
PACKAGE = b"a package"


class Machine:
    """A Debian machine whose archive holds PACKAGE under every name, and that runs what `runs` allows."""

    def __init__(self):
        self.ran = []
        self.system = {"ID": "debian", "VERSION_CODENAME": "bookworm", "PRETTY_NAME": "Debian 12"}
        self.targets = [
            "scheme://else.invalid/ stable main Else",
            "scheme://other.invalid/debian/ bookworm-updates main Debian",
            f"{MIRROR} bookworm main Debian",
        ]
        self.uris = []
        self.sources = []
        self.runs = {"i386": 32, "amd64": 64}

    def run(self, command, folder):
        self.ran.append(command)
        if "update" in command:
            self.sources.append((folder.parent / "apt" / "sources.list").read_text())
        if "download" in command:
            for name in command[command.index("download") + 1 :]:
                (folder / f"{name}_1_all.deb").write_bytes(PACKAGE)
        if command[0] == "npm":
            package = folder / "node_modules" / runtimes.WASM_PACKAGE
            package.mkdir(parents=True)
            (package / "package.json").write_text('{"version": "1.29.0-6"}')

    def apt_says(self, *words):
        return self.targets if words[0] == "indextargets" else self.uris

    def ask(self, command):
        for build in runtimes.BUILDS:
            if command[0].endswith(build.loader) and build.architecture in self.runs:
                return {"version": "1.25.0", "bits": self.runs[build.architecture]}
        raise OSError(8, "Exec format error")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    here = Machine()
    digest = hashlib.sha256(PACKAGE).hexdigest()
    builds = tuple(runtimes.Build(b.architecture, digest, b.loader, b.libraries) for b in runtimes.BUILDS)
    monkeypatch.setattr(runtimes, "BUILDS", builds)
    monkeypatch.setattr(fetching, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(fetching, "run", here.run)
    monkeypatch.setattr(runtimes, "_ask", here.ask)
    monkeypatch.setattr(runtimes, "_apt_says", here.apt_says)
    monkeypatch.setattr(runtimes, "_system", lambda: here.system)
    monkeypatch.setattr(runtimes.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(runtimes.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(node, "find", lambda: node.Node("node", ("npm",)))
    return here


def test_the_32_bit_build_is_fetched_once_and_found_from_then_on(machine):
    assert runtimes.micropython() is None
    found = runtimes.fetch_micropython()
    assert (found.name, found.version, found.bits) == ("i386", "1.25.0", 32)
    assert found.argv()[-2:] == ["-X", "heapsize=128K"] and found.argv(None) == list(found.command)
    commands = len(machine.ran)
    assert runtimes.fetch_micropython() == runtimes.micropython() == found
    assert len(machine.ran) == commands


def test_the_64_bit_build_is_for_kernels_that_run_no_32_bit_programs(machine):
    del machine.runs["i386"]
    assert runtimes.fetch_micropython().bits == 64


def test_a_machine_that_runs_neither_is_told_so(machine):
    machine.runs.clear()
    with pytest.raises(fetching.Unavailable, match="Exec format error"):
        runtimes.fetch_micropython()
    assert runtimes.micropython() is None


def test_a_package_with_another_checksum_is_not_unpacked(machine, monkeypatch):
    builds = [runtimes.Build(b.architecture, "0" * 64, b.loader, b.libraries) for b in runtimes.BUILDS]
    monkeypatch.setattr(runtimes, "BUILDS", builds)
    with pytest.raises(fetching.FetchFailed, match="SHA-256"):
        runtimes.fetch_micropython()
    assert not any(command[0] == "dpkg-deb" for command in machine.ran)
    assert runtimes.micropython() is None


def test_the_mirror_is_that_of_the_machines_own_release(machine):
    runtimes.fetch_micropython()
    assert machine.sources[0].split()[-3:] == [MIRROR, "trixie", "main"]


def test_a_machine_without_indexes_takes_the_mirror_from_what_apt_would_fetch(machine):
    machine.targets = []
    machine.uris = [
        f"'{MIRROR}dists/bookworm-updates/InRelease' a_name 0",
        f"'{MIRROR}dists/bookworm/InRelease' a_name 0",
        f"'{MIRROR}dists/bookworm/main/binary-amd64/Packages.xz' a_name 0",
    ]
    runtimes.fetch_micropython()
    assert machine.sources[0].split()[-3:] == [MIRROR, "trixie", "main"]


def test_no_archive_in_apts_settings_is_a_failure_that_says_so(machine):
    machine.targets = []
    with pytest.raises(fetching.FetchFailed, match="names no Debian archive"):
        runtimes.fetch_micropython()


def test_another_system_is_told_what_it_cannot_have(machine, monkeypatch):
    machine.system = {"ID": "fedora", "PRETTY_NAME": "Fedora 41"}
    with pytest.raises(fetching.Unavailable, match="Fedora 41"):
        runtimes.fetch_micropython()
    machine.system = {"ID": "debian"}
    monkeypatch.setattr(runtimes.platform, "machine", lambda: "aarch64")
    with pytest.raises(fetching.Unavailable, match="aarch64"):
        runtimes.fetch_micropython()
    monkeypatch.setattr(runtimes.shutil, "which", lambda name: None)
    with pytest.raises(fetching.Unavailable, match="no apt-get"):
        runtimes.fetch_micropython()
    assert machine.ran == []


def test_a_fetch_that_fails_leaves_nothing_behind(machine, monkeypatch):
    def fail(command, folder):
        raise fetching.FetchFailed("the network is down")

    monkeypatch.setattr(fetching, "run", fail)
    for fetch in (runtimes.fetch_micropython, runtimes.fetch_wasm):
        with pytest.raises(fetching.FetchFailed):
            fetch()
    assert [path.name for path in fetching.CACHE.rglob("*")] == ["fetch.lock"]


def test_the_exit_status_tells_failed_from_impossible(machine, monkeypatch, capsys):
    assert runtimes.main([]) == 0
    assert "1.25.0, 32-bit" in capsys.readouterr().out
    monkeypatch.setattr(fetching, "CACHE", fetching.CACHE / "another")
    machine.system = {"ID": "fedora"}
    assert runtimes.main([]) == 0
    assert "unix port: SKIPPED" in capsys.readouterr().out
    machine.system, machine.targets = {"ID": "debian"}, []
    assert runtimes.main([]) == 1
    assert "unix port: FAILED" in capsys.readouterr().out
    assert runtimes.main(["--optional"]) == 0


def test_a_second_fetcher_waits_for_the_first(machine):
    order = []

    def second():
        with fetching.locked():
            order.append("second")

    with fetching.locked():
        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(0.05)
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]


def test_a_new_lock_file_is_fetched_anew(machine, tmp_path):
    for version in ("1", "2"):
        (tmp_path / "package.json").write_text("{}")
        (tmp_path / "package-lock.json").write_text(json.dumps({"version": version}))
        assert node.fetch(tmp_path) == node.fetch(tmp_path) == node.folder_of(tmp_path)
    assert len([command for command in machine.ran if command[0] == "npm"]) == 2


def test_install_scripts_of_packages_never_run(machine):
    node.fetch(runtimes.WASM_LOCK)
    assert "ci" in machine.ran[0] and "--ignore-scripts" in machine.ran[0]


def test_what_a_command_printed_is_told_when_it_fails(tmp_path):
    with pytest.raises(fetching.FetchFailed, match=r"(?s)ended with 3.*the reason"):
        fetching.run(["sh", "-c", "echo the reason >&2; exit 3"], tmp_path)
    with pytest.raises(fetching.FetchFailed, match="no-such-program"):
        fetching.run(["no-such-program"], tmp_path)


def test_the_checkout_names_no_mirror():
    for name in ("runtimes", "node", "fetching"):
        assert "://" not in (ROOT / "host_sim" / f"{name}.py").read_text()
