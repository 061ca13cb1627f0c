"""The first and the last of a board's run: join the backplane, become the board, run boot.py and main.py.

It must never take a secret from the command line or the environment: what the firmware needs lies in its
flash.
"""

import sys

import _board
import _flash
import _process


def _connect(port):
    """(socket, wait): the backplane, and a function that waits at most so many ms for something to read from
    it."""
    import select

    if _board.MICROPYTHON:
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
        import socket

        link = socket.create_connection(("127.0.0.1", port))
        poll = select.poll()
        poll.register(link, select.POLLIN)

        def wait(ms):
            return bool(poll.poll(ms))

    link.setsockopt(6, 1, 1)  # TCP_NODELAY: a trace line is told when it happens
    return link, wait


def _prepare(folder, port):
    """Tell the host that we are there, learn what the world is like, take over the runtime."""
    _process.die_with_parent()
    link, wait = _connect(port)
    _board.join(link, wait)
    _board.launched = True
    _board.folder = folder
    boot = _board.ask("hello", runtime=sys.implementation.name)
    _board.configure(boot)
    _flash.nvs.load(folder + "/nvs")
    if _board.MICROPYTHON:
        import builtins

        builtins.open = _flash.open_file
    else:
        import _cpython

        _cpython.install()
    if boot["wdt_ms"]:  # a soft reset does not stop the watchdog
        _process.arm(boot["wdt_ms"])
    _board.record("boot", cause=_board.cause, runtime=sys.implementation.name)


def _run(name, names):
    """Run one script of the flash; False if it raised: then the ESP32 goes to its prompt without the next
    one."""
    try:
        with _board.host_open(name) as file:
            source = file.read()
    except OSError:
        return True
    try:
        code = compile(source, name, "exec")
        source = None
        exec(code, names)
        return True
    except SystemExit:
        _board.record("exit", script=name)
        _board.reset(_board.SOFT_RESET)
    except BaseException as error:
        _board.record("crash", script=name, error=type(error).__name__)
        _board.print_exception(error)
        return False


def main(folder, port):
    _prepare(folder, port)
    names = {"__name__": "__main__"}
    if _run("boot.py", names) and _run("main.py", names):
        _board.record("end")
    print("(the firmware has ended; the board is idle)")
    while True:  # the ESP32 sits at its prompt: timers and the watchdog go on
        _board.sleep_ms(1000)
