"""Real MicroPython on this host: fetched once into `.cache/`, checked, and then found there without a
network.

Two runtimes: Debian trixie's unix port, 32-bit where the kernel can run it, and the newest WebAssembly build
from npm under Node. Nothing is ever installed on the machine, nothing runs before its checksum was compared,
and no mirror or registry is written down here: apt's and npm's own settings on this machine say where to ask.

What vouches for what: the `micropython` package by the SHA-256 below; the few libraries that come with it by
apt's signed package index, which apt refuses to go without; npm packages by the `integrity` in their
package-lock.json.
"""

import hashlib
import json
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from host_sim import ROOT, commandline, fetching, node
from host_sim.fetching import FetchFailed, Unavailable

WASM_LOCK = ROOT / "tests" / "micropython"
WASM_PACKAGE = "@micropython/micropython-webassembly-pyscript"

SUITE = "trixie"
VERSION = "1.25.0"
LIBRARIES = ("libc6", "libffi8", "libmbedcrypto16", "libmbedtls21", "libmbedx509-7")


@dataclass(frozen=True)
class Build:
    """One architecture of Debian's `micropython`; paths are those inside its unpacked tree."""

    architecture: str
    sha256: str
    loader: str
    libraries: str


# Best first: with 32 bits, objects take the memory that they take on an ESP32.
BUILDS = (
    Build(
        "i386",
        "a72799821cb45442150f8a7f0757bc8e4f9a4b64abccbd837d694a20d6900bb5",
        "usr/lib/ld-linux.so.2",
        "usr/lib/i386-linux-gnu",
    ),
    Build(
        "amd64",
        "a2c8327c1005cbf0f15c83d1d3b94c20585135c29a97ab1483ada93b82d94a88",
        "usr/lib64/ld-linux-x86-64.so.2",
        "usr/lib/x86_64-linux-gnu",
    ),
)


@dataclass(frozen=True)
class Runtime:
    """MicroPython's unix port, ready to run: `version` as "1.25.0", `bits` 32 or 64 (the width of a
    pointer).
    """

    name: str
    version: str
    bits: int
    command: tuple[str, ...]

    def argv(self, heap: str | None = "128K") -> list[str]:
        """The command up to where a script's name follows. `heap` is MicroPython's hard limit; None
        leaves its default.
        """
        return [*self.command, *(["-X", f"heapsize={heap}"] if heap else [])]


@dataclass(frozen=True)
class WasmRuntime:
    """MicroPython for WebAssembly: `module` is the ES module that `node` has to import. It enforces no
    heap limit.
    """

    name: str
    version: str
    bits: int
    node: str
    module: Path


def micropython() -> Runtime | None:
    """The unix port if it was fetched, 32-bit before 64-bit. Touches no network."""
    for build in BUILDS:
        found = _installed(build)
        if found:
            return found
    return None


def wasm() -> WasmRuntime | None:
    """The WebAssembly port if it was fetched and there is a Node to run it. Touches no network."""
    found, package = node.find(), node.folder_of(WASM_LOCK) / "node_modules" / WASM_PACKAGE
    if found is None or not package.is_dir():
        return None
    version = json.loads((package / "package.json").read_text())["version"]
    return WasmRuntime("wasm", version, 32, found.program, package / "micropython.mjs")


# ---------------------------------------------------------------- the unix port, by apt


def fetch_micropython() -> Runtime:
    """Fetches the unix port unless it is there. Raises Unavailable or FetchFailed with a sentence to show."""
    with fetching.locked():
        found = micropython()
        if found:
            return found
        _need_debian()
        problem = ""
        for build in BUILDS:
            with fetching.scratch() as scratch:
                _download(build, scratch)
                try:
                    about = _ask(_command(build, scratch / "root"))
                except (OSError, subprocess.SubprocessError) as error:
                    problem = f"{build.architecture}: {error}"
                    fetching.say(f"this machine does not run {build.architecture} programs")
                    continue
                (scratch / "root" / "runtime.json").write_text(json.dumps(about))
                _home(build).parent.mkdir(exist_ok=True)
                (scratch / "root").rename(_home(build))
            return _installed(build)
        raise Unavailable(f"the fetched MicroPython does not run here ({problem})")


def _home(build: Build) -> Path:
    return fetching.CACHE / "runtimes" / f"micropython-{VERSION}-{build.architecture}"


def _command(build: Build, root: Path) -> tuple[str, ...]:
    # Debian's own loader and libraries, so that the machine's (often older) ones do not matter.
    libraries = str(root / build.libraries)
    program = str(root / "usr/bin/micropython")
    return (str(root / build.loader), "--argv0", "micropython", "--library-path", libraries, program)


def _installed(build: Build) -> Runtime | None:
    home = _home(build)
    if not (home / "runtime.json").is_file():
        return None
    about = json.loads((home / "runtime.json").read_text())
    return Runtime(build.architecture, about["version"], about["bits"], _command(build, home))


def _ask(command: tuple[str, ...]) -> dict:
    code = "import sys, struct; print('%d.%d.%d' % sys.implementation[1][:3], struct.calcsize('P') * 8)"
    answer = subprocess.run(
        [*command, "-c", code], capture_output=True, text=True, timeout=60, check=True
    ).stdout.split()
    return {"version": answer[0], "bits": int(answer[1])}


def _system() -> dict:
    return platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}


def _need_debian() -> None:
    if _system().get("ID") != "debian":
        raise Unavailable(
            f"it comes from Debian's archive, and this is {_system().get('PRETTY_NAME', platform.system())}"
        )
    for tool in ("apt-get", "dpkg-deb"):
        if not shutil.which(tool):
            raise Unavailable(f"it comes from Debian's archive, and this machine has no {tool}")
    if platform.machine() not in ("x86_64", "i686", "i586", "i386"):
        raise Unavailable(f"it is pinned for x86 only, and this machine is {platform.machine()}")


def _mirror() -> str:
    """The address of the Debian archive in this machine's apt settings: the machine's own release, main."""
    # First from the indexes at hand; a fresh container has none yet, and then from what apt would fetch.
    rows = [
        line.split()
        for line in _apt_says("indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)")
    ]
    found = {row[1]: row[0] for row in rows if len(row) == 4 and row[2:] == ["main", "Debian"]}
    if not found:
        links = (
            re.match(r"'(\S+?/)dists/([^/]+)/InRelease'", line)
            for line in _apt_says("update", "--print-uris")
        )
        found = {link[2]: link[1] for link in links if link}
    names = [_system().get("VERSION_CODENAME", ""), *sorted(n for n in found if not re.search(r"-|/", n))]
    for name in names:
        if name in found:
            return found[name]
    raise FetchFailed("apt on this machine names no Debian archive (apt-get indextargets lists none)")


def _apt_says(*arguments: str) -> list[str]:
    return subprocess.run(
        ["apt-get", *arguments], capture_output=True, text=True, timeout=120
    ).stdout.splitlines()


def _download(build: Build, scratch: Path) -> None:
    """Leaves the unpacked packages of one architecture in scratch/root, using an apt state of their own."""
    fetching.say(f"fetching MicroPython {VERSION} for {build.architecture} with apt")
    apt, debs = scratch / "apt", scratch / "debs"
    for folder in (apt / "lists" / "partial", apt / "cache" / "archives" / "partial", debs, scratch / "root"):
        folder.mkdir(parents=True)
    (apt / "status").touch()
    keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    signed = f"[signed-by={keyring}] " if keyring.exists() else ""
    (apt / "sources.list").write_text(f"deb {signed}{_mirror()} {SUITE} main\n")
    options = {
        "Dir::State": apt,
        "Dir::State::status": apt / "status",
        "Dir::State::lists": apt / "lists",
        "Dir::Cache": apt / "cache",
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "APT::Architecture": build.architecture,
        "APT::Architectures": build.architecture,
        "APT::Sandbox::User": "root",
        "APT::Get::AllowUnauthenticated": "false",
        "Acquire::AllowInsecureRepositories": "false",
        "Acquire::Languages": "none",
        # An archive that cannot be reached is an error now, not a missing package later.
        "APT::Update::Error-Mode": "any",
    }
    settings = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    fetching.run(["apt-get", "-q", *settings, "update"], debs)
    fetching.run(["apt-get", "-q", *settings, "download", "micropython", *LIBRARIES], debs)
    package = next(debs.glob("micropython_*.deb"))
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    if digest != build.sha256:
        raise FetchFailed(
            f"{package.name} has SHA-256 {digest}, expected {build.sha256}; it was not unpacked"
        )
    for deb in sorted(debs.glob("*.deb")):
        fetching.run(["dpkg-deb", "-x", str(deb), str(scratch / "root")], debs)


def fetch_wasm() -> WasmRuntime:
    """Fetches the WebAssembly port unless it is there. Raises Unavailable or FetchFailed with a sentence
    to show.
    """
    node.fetch(WASM_LOCK)
    found = wasm()
    if found is None:
        raise FetchFailed(f"npm brought no {WASM_PACKAGE}")
    return found


def main(argv: list[str]) -> int:
    """Fetches both runtimes. 0 when each is there or impossible on this machine, 1 when fetching one
    failed.
    """
    parser = commandline.parser_of("runtimes", "fetch real MicroPython for the tests")
    parser.add_argument("--optional", action="store_true", help="exit 0 even when fetching fails")
    options = parser.parse_args(argv)
    failed = False
    for title, fetch in (("unix port", fetch_micropython), ("WebAssembly port", fetch_wasm)):
        try:
            found = fetch()
        except Unavailable as reason:
            print(f"MicroPython, {title}: SKIPPED, {reason}. Tests on it will be skipped.")
        except FetchFailed as reason:
            failed = True
            print(f"MicroPython, {title}: FAILED, {reason}")
        else:
            print(f"MicroPython, {title}: {found.version}, {found.bits}-bit ({found.name})")
    return 1 if failed and not options.optional else 0
