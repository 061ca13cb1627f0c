"""Runs one test file of tests/unit under MicroPython: `runner.py FILE FOLDER…`, the folders being what to
import from.

Prints one line per test, the traceback beneath each that failed, and a last line `ran N, failed M`; ends with
exit status 1 unless M is 0. Must stay small: it lives in the same 128 KB as the tests.
"""

import gc
import sys


def test_names(path):
    """The test functions in the file's order, which MicroPython's own dictionaries do not keep."""
    names = []
    with open(path) as file:
        for line in file:
            if line.startswith("def test_"):
                name = line[4 : line.find("(")]
                if name in names:
                    raise ValueError("two tests are named " + name)
                names.append(name)
    if not names:
        raise ValueError("no test functions")
    return names


def attempt(name, function, *args):
    """What function(*args) returned, and whether it did; a failure is printed under `name`."""
    try:
        return function(*args), True
    except (Exception, SystemExit) as problem:
        print("FAIL", name)
        sys.print_exception(problem, sys.stdout)
        return None, False


def main(path, *folders):
    sys.path[:] = list(folders) + [".frozen"]
    names, found = attempt("(looking for tests)", test_names, path)
    if not found:
        return 1
    module, imported = attempt("(import)", __import__, path.rsplit("/", 1)[1][:-3])
    if not imported:
        return 1
    gc.collect()
    print("memory: %d in use, %d free after import" % (gc.mem_alloc(), gc.mem_free()))
    failed = 0
    for name in names:
        gc.collect()
        if attempt(name, getattr(module, name))[1]:
            print("ok", name)
        else:
            failed += 1
    print("ran %d, failed %d" % (len(names), failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
