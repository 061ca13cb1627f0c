"""Installs the programs from Debian's archive that the tests drive: `python3 tools/system_packages.py
NAME[=PACKAGE]…`. A NAME with a slash is a file, such as a library's header, and may hold `*`.

Does nothing when each NAME is found. Installs only as root and only where there is apt-get; otherwise it
says, loudly, what is missing and what that means, and still ends with 0: the tests decide whether a missing
program is a failure.
"""

import glob
import os
import shutil
import subprocess
import sys


def find(name: str) -> str | None:
    """The path of a program, also where an ordinary user's PATH does not lead, or of a file that is there.

    A file's name may hold `*`, as a shell's.
    """
    if "/" in name:
        return next(iter(sorted(glob.glob(name))), None)
    return shutil.which(
        name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    )


def main(argv: list[str]) -> int:
    wanted = dict((*word.split("=", 1), word)[:2] for word in argv)
    missing = sorted({package for name, package in wanted.items() if not find(name)})
    if not missing:
        return 0
    if not shutil.which("apt-get"):
        return _loud(missing, "this machine has no apt-get; install them by its own means")
    if os.geteuid() != 0:
        return _loud(missing, f"as root: apt-get install {' '.join(missing)}")
    print(f"packages: installing {' '.join(missing)}", flush=True)
    quiet = ["-qq", "-o", "Dpkg::Use-Pty=0"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", *quiet, "update"],
        ["apt-get", *quiet, "install", "-y", "--no-install-recommends", *missing],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            print("\n".join((done.stdout + done.stderr).strip().splitlines()[-12:]), file=sys.stderr)
            return _loud(missing, f"{' '.join(command[:1] + command[4:])} failed, see above")
    return 0


def _loud(missing: list[str], remedy: str) -> int:
    bar = "!" * 78
    lacking = f"MISSING: {', '.join(missing)}. Tests that need them will be skipped, or fail in CI."
    print(bar, lacking, remedy, bar, sep="\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
