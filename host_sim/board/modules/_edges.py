"""Edges that the outside makes on an input, each at its own microsecond: what an infrared receiver does to a
pin.

It must never tell a handler of an edge twice, nor out of order, nor hold more than two pieces of a train.

The backplane brings them before their time. When the board's clock has come to one the level moves and the
handler runs, and what ticks_us() says within it is the time of that edge. While any are to come a sleeping
board does not wait for them: its clock leaps. A code is `µs since the one before << 3 | tell << 1 | level`,
`tell` being what the interrupt controller saw: 1 a rising edge, 2 a falling one, 0 nothing.
"""

import _board

_pieces = []  # [pin, codes, place of the next, whether more of the train follow], the present one first
_more = False  # the newest piece is not the last of its train
_at = 0  # ticks_us() of the last edge
_moved = 0  # edges of the present train so far
_told = 0  # those that a handler was called for
_pending = []  # pins with an edge while interrupts were off: one call, however many there were


def add(command):
    """A piece as it came over the backplane. A train begins now, or when the one before it is over."""
    global _at, _more, _moved, _told
    if not _pieces and not _more:
        _at = _board.passed_us()
        _moved = _told = 0
    if play not in _board.hooks:
        _board.hooks.append(play)
    _more = command["more"]
    _pieces.append([command["pin"], command["codes"], 0, _more])


def crowded():
    """Whether the next piece had better stay in the socket."""
    return len(_pieces) > 1


def late(now):
    """Whether the next edge was before `now`, or may have been, since that is still on its way."""
    return not _pieces or _until_next(now) <= 0


def ahead_ms():
    """Milliseconds until the next edge, at least 0, or None while it is on its way from the host."""
    if not _pieces:
        return None
    return max(0, _until_next(_board.passed_us()) + 999) // 1000


def _until_next(now):
    _, codes, place, _ = _pieces[0]
    return _board.ticks_diff(_board.ticks_add(_at, codes[place] >> 3), now)


def play():
    """The edges whose time has come; with every pump."""
    global _at, _moved, _told
    while _pending and not _board.irq_off:
        _call(_pending.pop(0), _board.passed_us())
    while _pieces:
        number, codes, place, more = _pieces[0]
        code = codes[place]
        due = _board.ticks_add(_at, code >> 3)
        if _board.ticks_diff(due, _board.passed_us()) > 0:
            return
        _at = due
        _pieces[0][2] += 1
        if _board.inputs.get(number) != code & 1:
            _moved += 1
            _board.inputs[number] = code & 1
        pin = _board.pins.get(number)
        if pin is not None and pin.handler is not None and pin._trigger & code >> 1 & 3:
            if not _board.irq_off:
                _call(pin, due)
            elif pin not in _pending:
                _pending.append(pin)
        if place + 1 == len(codes):
            _pieces.pop(0)
            if not more:
                _board.record("edges", pin=number, moved=_moved, told=_told)
                _moved = _told = 0
            if not _pieces and not _more:
                _board.edges = None


def _call(pin, at):
    global _told
    _told += 1
    _board.edge_us = at
    try:
        _board.call(pin.handler, pin)
    finally:
        _board.edge_us = None
