"""`python -m host_sim conformance`: runs the cases for a codec, a device or a cloud, and reports.

Exit status: 0 all passed, 1 a case failed, 2 the kit could not run, 130 interrupted. A user's mistake ends
in one line that says what to do, never in a traceback.

A kind of target is a module here, named in KINDS, with
    add_arguments(parser)                what is needed beyond the option that names the target
    cases(arguments) -> list[Case]       all that there are, without reaching the target
    open_target(arguments)               async context manager giving a Target; KitError if out of reach
    mutants() -> list[Mutant]            deliberately broken ones of our own
and must not import at its top what only a run needs.
"""

import argparse
import asyncio
import fnmatch
import importlib
import logging
import sys
from dataclasses import replace
from types import ModuleType

from host_sim.conformance import clauses, features, reports, running, xfail
from host_sim.conformance.case import Case, KitError
from host_sim.conformance.mutants import Faults
from host_sim.conformance.reports.terminal import Terminal, plain

PROGRAM = "python -m host_sim conformance"
# The option that names a target, the module behind it, the option's value and what it is.
KINDS = {
    "codec": (
        "host_sim.conformance.codec",
        "COMMAND",
        "a program that signs and verifies, a JSON object a line",
    ),
    "device": (
        "host_sim.conformance.device",
        "URL",
        "a device behind the broker at URL; `listen`, `listen:PORT` or `listen:HOST:PORT`: behind a broker "
        "of the kit's own, such as listen:0.0.0.0:1883 for a device on the network",
    ),
    "cloud": (
        "host_sim.conformance.cloud",
        "URL",
        "a cloud: its HxTP Cloud API (https://…, the token in HXTP_TOKEN), or the broker of its devices",
    ),
}
EPILOG = """\
examples:
  python -m host_sim conformance --codec 'python -m host_sim codec'
  python -m host_sim conformance --codec './my-codec' --xfail known.txt --junit junit.xml --html report.html
  python -m host_sim conformance --show frame-bare
  python -m host_sim conformance --device mqtts://broker:8883 --ca ca.pem --config hxtp.json --user kit
  python -m host_sim conformance --cloud https://127.0.0.1:8443/api/v1 --slow
  python -m host_sim conformance --cloud mqtts://broker:8883 --ca ca.pem --config hxtp.json --send 'COMMAND'
  python -m host_sim conformance --mutants"""


def main(argv: list[str]) -> int:
    kinds = {name: importlib.import_module(row[0]) for name, row in KINDS.items()}
    arguments = _parser(kinds).parse_args(argv)
    try:
        with asyncio.Runner() as runner:
            return runner.run(_main(arguments, kinds))
    except KitError as error:
        print(f"{PROGRAM}: {plain(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser(kinds: dict[str, ModuleType]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Tells whether an implementation does what the specification of HxTP/3.0 says.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    target = parser.add_mutually_exclusive_group()
    for name, (_, value, text) in KINDS.items():
        target.add_argument(f"--{name}", metavar=value, help=text)
    target.add_argument(
        "--mutants",
        action="store_true",
        help="prove the kit: each broken implementation has to be caught",
    )
    choose = parser.add_argument_group("which cases")
    choose.add_argument("--list", action="store_true", help="list the cases with their clauses, and run none")
    choose.add_argument(
        "--show", metavar="CASE", help="tell of one case what it asks, and what it expects, and run none"
    )
    choose.add_argument(
        "--only",
        metavar="PATTERN",
        action="append",
        help="cases whose id or clause matches, such as 'codec-*'",
    )
    choose.add_argument("--features", metavar="A,B", help="what the target has; other cases are skipped")
    choose.add_argument("--pics", metavar="FILE", help="the same from a file, a feature a line")
    choose.add_argument(
        "--xfail", metavar="FILE", help="known deviations: a case id a line, a reason behind a #"
    )
    choose.add_argument("--limit", metavar="S", type=running.seconds, help="seconds that a case may take")
    report = parser.add_argument_group("reports")
    for kind in reports.WRITERS:
        report.add_argument(f"--{kind}", metavar="FILE", help=f"a report as {kind.upper()}")
    report.add_argument("-v", "--verbose", action="store_true", help="a line a case on a terminal too")
    for name, module in kinds.items():
        module.add_arguments(parser.add_argument_group(f"for --{name}"))
    return parser


async def _main(arguments: argparse.Namespace, kinds: dict[str, ModuleType]) -> int:
    for kind in reports.WRITERS:
        if path := getattr(arguments, kind):
            reports.check(path)
    chosen = [name for name in kinds if getattr(arguments, name) is not None]
    if arguments.list or arguments.show:
        every = [case for name in chosen or kinds for case in kinds[name].cases(arguments)]
        _tell(every, arguments)
        return 0
    if arguments.mutants:
        found = await _mutants(arguments, kinds)
    elif chosen:
        found = await _test(arguments, kinds[chosen[0]])
    else:
        options = ", ".join(f"--{name}" for name in [*kinds, "mutants"])
        raise KitError(f"nothing to test: give one of {options}; --help says more")
    Terminal(sys.stdout).close(found)
    for kind in reports.WRITERS:
        if path := getattr(arguments, kind):
            reports.write(found, kind, path)
    if found.stopped:
        done = f"stopped after {len(found.results)} of {found.planned}"
        print(f"{PROGRAM}: {done}: {plain(found.stopped)}", file=sys.stderr)
    return found.exit_status


async def _test(arguments: argparse.Namespace, module: ModuleType) -> running.Run:
    every = module.cases(arguments)
    cases = _only(every, arguments.only)
    known = xfail.known(arguments.xfail, every)
    declared = features.declared(arguments.features, arguments.pics, every)
    found = None
    try:
        async with module.open_target(arguments) as target:
            target = replace(
                target,
                features=target.features if declared is None else declared,
                limit=arguments.limit or target.limit,
            )
            found = await running.run(cases, target, Terminal(sys.stdout, arguments.verbose), known)
    except KitError as error:
        if found is None:
            raise
        found.stopped = found.stopped or str(error)  # while it was let go: what ran is still to be reported
    return found


async def _mutants(arguments: argparse.Namespace, kinds: dict[str, ModuleType]) -> running.Run:
    mutants = [mutant for module in kinds.values() for mutant in module.mutants()]
    if arguments.only:
        mutants = [each for each in mutants if any(fnmatch.fnmatchcase(each.name, p) for p in arguments.only)]
    faults = Faults()
    logging.getLogger().addHandler(faults)
    try:
        return await running.run_mutants(mutants, Terminal(sys.stdout, arguments.verbose), faults.taken)
    finally:
        logging.getLogger().removeHandler(faults)


def _only(cases: list[Case], patterns: list[str] | None) -> list[Case]:
    if not patterns:
        return cases
    chosen = [
        case
        for case in cases
        if any(fnmatch.fnmatchcase(name, p) for name in (case.id, *case.clauses) for p in patterns)
    ]
    if not chosen:
        raise KitError(f"no case matches {' or '.join(patterns)}; --list names all")
    return chosen


def _tell(cases: list[Case], arguments: argparse.Namespace) -> None:
    if arguments.list:
        for case in _only(cases, arguments.only):
            needs = f" [{', '.join(case.needs)}]" if case.needs else ""
            print(plain(f"{case.id}  {case.title}{needs}  ({' '.join(case.clauses)})"))
        return
    case = next((case for case in cases if case.id == arguments.show), None)
    if case is None:
        raise KitError(f"no case is called {arguments.show}; --list names all")
    print(plain(f"{case.id}: {case.title}"))
    for clause in case.clauses:
        print(plain(f"{clause} {clauses.texts().get(clause, '')}".rstrip()))
    if case.detail:
        print("", *map(plain, case.detail.split("\n")), sep="\n")
