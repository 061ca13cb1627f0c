"""What tests ask of a virtual board that runs a short program."""

END = ("end", "crash")
LAST_LINE = "(the firmware has ended"


def finish(board, timeout=30, since=0):
    """Wait for the end of main.py, which must not be an exception."""
    event = board.wait_for(lambda event: event.ev in END, timeout, since)
    # The console is another stream than the trace: its last line may arrive later.
    ends = [event for event in board.trace if event.ev in END]
    board.wait_until(lambda: len(board.log) - len(said(board)) >= len(ends), timeout, LAST_LINE)
    assert event.ev == "end", "\n".join(board.log)


def said(board):
    """What the program printed, without the launcher's last line."""
    return [line for line in board.log if LAST_LINE not in line]


def lines(board, n, timeout=10):
    """The first n lines that the program printed, once it has."""
    return board.wait_until(lambda: said(board)[:n] if len(said(board)) >= n else None, timeout, f"{n} lines")


def moves(board, pin, kind="pin"):
    return [event for event in board.trace if event.ev == kind and event["pin"] == pin]
