"""What every test shares: import paths, Hypothesis profiles, the runtimes, and the rule that CI skips
nothing.

Environment: CI or HXTP_REQUIRE_RUNTIMES=1 makes a missing runtime or program a failure; CI turns every other
skip into a failure too, unless the test is marked `platform_impossible`. HYPOTHESIS_PROFILE chooses dev, ci
or long.
"""

import gc
import importlib
import logging
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
from coverage import Coverage
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
UNIT = ROOT / "tests" / "unit"
BOARD_MODULES = ROOT / "host_sim" / "board" / "modules"

for folder in (UNIT, ROOT / "firmware", ROOT / "firmware" / "lib"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
# Last, so that the stand-ins for MicroPython's modules do not hide CPython's own of the same name.
for folder in (BOARD_MODULES, BOARD_MODULES / "on_cpython"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))

# A shell that starts the tests in the background has them ignore Ctrl-C, and what they start inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

MEASUREMENT = pytest.StashKey[Coverage | None]()

# The helpers of tests/unit assert too, and should explain themselves like the tests.
pytest.register_assert_rewrite("check")


def _set(name: str) -> bool:
    return os.environ.get(name, "").lower() not in ("", "0", "false", "no")


IN_CI = _set("CI")
RUNTIMES_REQUIRED = IN_CI or _set("HXTP_REQUIRE_RUNTIMES")

# No deadlines: two cores may be shared, and a slow example is no wrong answer.
settings.register_profile(
    "dev", deadline=None, max_examples=100, derandomize=False, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "ci", parent=settings.get_profile("dev"), max_examples=200, derandomize=True, print_blob=True
)
settings.register_profile("long", parent=settings.get_profile("dev"), max_examples=5000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if IN_CI else "dev"))


def missing(what: str, remedy: str) -> None:
    """Ends the running test: a failure where nothing may be missing, otherwise a skip that names the
    remedy.
    """
    text = f"{what} is not here: {remedy}"
    if RUNTIMES_REQUIRED:
        pytest.fail(text, pytrace=False)
    pytest.skip(text)


@pytest.fixture(scope="session")
def micropython():
    """MicroPython's unix port as a `host_sim.runtimes.Runtime`."""
    from host_sim import runtimes

    return runtimes.micropython() or missing("MicroPython's unix port", "make runtimes")


@pytest.fixture(scope="session")
def micropython_wasm():
    """MicroPython for WebAssembly as a `host_sim.runtimes.WasmRuntime`."""
    from host_sim import runtimes

    return runtimes.wasm() or missing("MicroPython for WebAssembly", "make runtimes")


@pytest.fixture(scope="session")
def program():
    """program("mosquitto") is the path of an installed program, /usr/sbin included, which an ordinary
    PATH leaves out.
    """

    def find(name: str) -> str:
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
        return shutil.which(name, path=path) or missing(name, "make packages")

    return find


@pytest.fixture
def logging_as_it_was():
    """A program that is run in the tests' own process logs to a stderr that ends with the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


# ---------------------------------------------------------------- what would slow every test down


def _set_aside() -> None:
    """Puts all that is alive now where the garbage collector does not look.

    The firmware collects at every connection, which costs a device a millisecond; in a process that holds
    the suite and its libraries it would be a third of a second each time.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session):
    """Coverage counts what importing the protocol runs, and then waits for the tests that it is for: every
    line of Python, ours or not, takes twice as long under it.
    """
    measurement = Coverage.current()
    if measurement is not None:
        for path in sorted((ROOT / "firmware" / "lib" / "hxtp").glob("*.py")):
            importlib.import_module("hxtp" if path.stem == "__init__" else f"hxtp.{path.stem}")
        measurement.stop()
    session.config.stash[MEASUREMENT] = measurement


def pytest_collection_finish():
    _set_aside()


@pytest.fixture(scope="module", autouse=True)
def _prepared_for_the_file(request):
    """Some libraries are only imported when a test asks for them; and tests/unit is what coverage is for."""
    _set_aside()
    measurement = request.config.stash[MEASUREMENT]
    if measurement is None or UNIT not in request.path.parents:
        yield
        return
    measurement.start()
    yield
    measurement.stop()


# ---------------------------------------------------------------- in CI, nothing is skipped


def _refuse(report) -> None:
    """Turns a skipped report into a failed one that says why it was going to be skipped."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid}: nothing may be skipped in CI, and this would have been. {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    expected = hasattr(report, "wasxfail") or item.get_closest_marker("platform_impossible")
    if IN_CI and report.skipped and not expected:
        _refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    report = yield
    if IN_CI and report.skipped:
        _refuse(report)
    return report


def pytest_terminal_summary(terminalreporter):
    """A skip is easily overlooked in a quiet run; this is not."""
    skipped = len(terminalreporter.stats.get("skipped", ()))
    if skipped:
        terminalreporter.section(
            f"NOT EVERYTHING WAS TESTED: {skipped} skipped, reasons above", sep="!", red=True
        )
