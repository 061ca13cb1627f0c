"""Start one run of a virtual board: `launch.py FLASH PORT`, on CPython or on MicroPython.

It joins the backplane at PORT, puts the stand-in modules first on the path, makes FLASH/fs the working
directory and runs boot.py and then main.py as the ESP32 does. It must never take a secret from its arguments
or its environment: what the firmware needs lies in FLASH/fs.
"""

import sys

MICROPYTHON = sys.implementation.name == "micropython"

if MICROPYTHON:
    import uos as os
else:
    import os


def _paths(here):
    """Stand-ins first, then the flash's root and /lib as on the ESP32, then what the runtime itself
    brings."""
    own = "/on_micropython" if MICROPYTHON else "/on_cpython"
    rest = [".frozen"] if MICROPYTHON else [path for path in sys.path if path and path != here]
    sys.path[:] = [here + "/modules" + own, here + "/modules", "", "lib"]
    sys.path.extend(rest)


def _connect(port):
    """(socket, wait): the backplane, and a function that waits at most so many ms for something to read from
    it."""
    if MICROPYTHON:
        import select

        import usocket as socket

        link = socket.socket()
        link.connect(socket.getaddrinfo("127.0.0.1", port)[0][-1])
        poll = select.poll()
        poll.register(link, select.POLLIN)

        def wait(ms):
            for _ in poll.ipoll(ms):
                return True
            return False

    else:
        import select
        import socket

        link = socket.create_connection(("127.0.0.1", port))
        poll = select.poll()
        poll.register(link, select.POLLIN)

        def wait(ms):
            return bool(poll.poll(ms))

    link.setsockopt(6, 1, 1)  # TCP_NODELAY: a trace line is told when it happens
    return link, wait


def _prepare(folder, port):
    """Become the board: tell the host that we are there, learn what the world is like, take over the
    runtime."""
    import _board
    import _flash
    import _process

    _process.die_with_parent()
    link, wait = _connect(port)
    _board.join(link, wait)
    _board.launched = True
    _board.folder = folder
    boot = _board.ask("hello", runtime=sys.implementation.name)
    _board.configure(boot)
    _flash.nvs.load(folder + "/nvs")
    if MICROPYTHON:
        import builtins

        builtins.open = _flash.open_file
    else:
        import _cpython

        _cpython.install()
    if boot["wdt_ms"]:  # a soft reset does not stop the watchdog
        _process.arm(boot["wdt_ms"])
    _board.record("boot", cause=_board.cause, runtime=sys.implementation.name)
    return _board


def _run(board, name, names):
    """Run one script of the flash; False if it raised, as then the ESP32 goes to its prompt without the next
    one."""
    try:
        with board.host_open(name) as file:
            source = file.read()
    except OSError:
        return True
    try:
        code = compile(source, name, "exec")
        source = None
        exec(code, names)
        return True
    except SystemExit:
        board.record("exit", script=name)
        board.reset(board.SOFT_RESET)
    except BaseException as error:
        board.record("crash", script=name, error=type(error).__name__)
        board.print_exception(error)
        return False


def main(folder, port):
    board = _prepare(folder, port)
    names = {"__name__": "__main__"}
    if _run(board, "boot.py", names) and _run(board, "main.py", names):
        board.record("end")
    print("(the firmware has ended; the board is idle)")
    while True:  # the ESP32 sits at its prompt: timers and the watchdog go on
        board.sleep_ms(1000)


os.chdir(sys.argv[1] + "/fs")  # before the path is searched: CPython keeps where "lib" was then
_paths(sys.argv[0].rsplit("/", 1)[0])
main(sys.argv[1], int(sys.argv[2]))
