"""`python -m host_sim demo`: play the story once, or stay (`--keep`).

It must never leave a process behind, whichever way it ends.
"""

import argparse
import contextlib
from pathlib import Path

from host_sim import ROOT, commandline
from host_sim.cloud import logs
from host_sim.demo.errors import DemoError
from host_sim.demo.screen import Screen

FOLDER = ROOT / "build" / "demo"


def main(argv: list[str]) -> int:
    """0 if all came true, 1 if not, 130 after Ctrl-C in the middle of the story."""
    options = _options(argv)
    logs.configure("warning")
    screen = Screen(colour=False if options.no_colour else None)
    with commandline.sigterm_as_ctrl_c():
        try:
            return play(screen, options.folder, options.runtime, options.firmware, options.keep)
        except KeyboardInterrupt:
            screen.title("\ninterrupted")
            return 130


def play(
    screen: Screen,
    folder: Path,
    runtime: str = "cpython",
    firmware: Path | None = None,
    keep: bool = False,
) -> int:
    """Tell the story, with `keep` stay until Ctrl-C. 0 if all came true, 1 if not, which `screen` says."""
    screen.title("HxTP/3.0: three virtual ESP32 boards run the real firmware and obey a cloud")
    screen.note(f"The boards are simulated ({runtime}); HTTPS, MQTT over TLS and signatures are real.")
    screen.note(f"Starting a cloud with its own CA, broker and database in {folder}.")
    try:
        # Here and not above: `--help` needs none of it, and it takes its time.
        from host_sim.demo.stage import Stage
        from host_sim.demo.stay import stay
        from host_sim.demo.story import Story

        with Stage(folder, runtime, firmware) as stage:
            Story(stage, screen).tell()
            screen.title(f"\nAll of it came true in {screen.seconds():.1f} s.")
            screen.note(f"The boards' consoles: {folder}/*.console.txt")
            if keep:
                with contextlib.suppress(KeyboardInterrupt):
                    stay(stage, screen)
        if keep:
            screen.title("\nended")
        return 0
    except DemoError as error:
        screen.title("")
        screen.trouble(str(error))
        screen.quote(error.hints)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("host_sim", "hxtp"):
            raise
        screen.trouble(f"the package {error.name} is missing: `make demo` installs what this needs in .venv")
    return 1


def _options(argv: list[str]) -> argparse.Namespace:
    parser = commandline.parser_of(
        "demo", "The reference cloud and three virtual boards with the real firmware play a story."
    )
    parser.add_argument("--keep", action="store_true", help="stay up afterwards, for commands by hand")
    parser.add_argument(
        "--runtime", choices=("cpython", "micropython"), default="cpython", help="what runs the firmware"
    )
    parser.add_argument(
        "--no-colour", "--no-color", action="store_true", help="as NO_COLOR in the environment"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=FOLDER,
        help="for consoles, flashes and the cloud's data (build/demo)",
    )
    parser.add_argument("--firmware", type=Path, help="another copy of firmware/ to put onto the boards")
    options = parser.parse_args(argv)
    if options.firmware is not None and not (options.firmware / "main.py").is_file():
        parser.error(f"there is no main.py in {options.firmware}")
    return options
