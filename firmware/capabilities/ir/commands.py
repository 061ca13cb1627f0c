"""What is to be done with learned commands: tell, keep, rename, remove, send. `part`: a learner.Learner.

Must never change or send anything: it says what is to become, and is dropped before that needs the memory.
"""

from capabilities.ir import _hertz, keep
from hxtp.errors import COMMAND_INVALID, INVALID_PARAMS, HxtpError

MOST = 32  # commands
ROOM = 32768  # bytes of all together
NAME = 29  # characters: with ir_ before it an action's name has 32
_PAGE = 128  # timings in one answer


def listed(part):
    """{name: (id, bytes)} of what is in flash; id 0 for what cannot be read or offered any more."""
    kept = {}
    taken = []
    for name in part.files.names()[:MOST]:
        text = part.files.read(name, keep.LARGEST)
        found = keep.unpack(text)
        number = found[0] if found else 0
        if number in taken or len(name) > NAME or "ir_" + name in part.ACTIONS:
            number = 0
        taken.append(number)
        kept[name] = (number, len(text or b""))
    return kept


def check(part, name, size=0):
    """Raise HxtpError where a command of `size` bytes cannot be kept under this name."""
    _check_name(part, name, "name")
    if name not in part.kept and len(part.kept) >= MOST:
        raise HxtpError(COMMAND_INVALID, "%d commands are kept: remove one" % MOST)
    for other in part.kept:
        if other != name:
            size += part.kept[other][1]
    if size > ROOM:
        raise HxtpError(COMMAND_INVALID, "no room in flash: remove a command")


def _check_name(part, name, member):
    good = 0 < len(name) <= NAME and "a" <= name[0] <= "z"
    for letter in name:
        good = good and letter in "abcdefghijklmnopqrstuvwxyz0123456789_"
    if not good:
        raise HxtpError(INVALID_PARAMS, member)
    if "ir_" + name in part.ACTIONS:
        raise HxtpError(COMMAND_INVALID, "ir_%s is an action already" % name)


def _need(part, name):
    if name not in part.kept:
        raise HxtpError(INVALID_PARAMS, "name")


def keep_capture(part, name, params):
    """(what is kept then, the bytes of the file) for the last capture; under a name that is there already it
    takes the place and the id of that one.
    """
    capture = part.capture
    if capture is None or not capture.usable():
        raise HxtpError(COMMAND_INVALID, "there is nothing to keep: learn a button first")
    _check_name(part, name, "name")
    number = part.kept[name][0] if name in part.kept else 0
    if not number:
        taken = [part.kept[other][0] for other in part.kept]
        number = keep.FIRST_ID
        while number in taken:
            number += 1
    text = keep.pack(number, _code(capture, params))
    check(part, name, len(text))
    kept = dict(part.kept)
    kept[name] = (number, len(text))
    return kept, text


def rename(part, name, to):
    """What is kept when `name` is called `to`."""
    _need(part, name)
    _check_name(part, to, "to")
    if to in part.kept:
        raise HxtpError(COMMAND_INVALID, "ir_%s is there already" % to)
    kept = dict(part.kept)
    kept[to] = kept.pop(name)
    return kept


def remove(part, name):
    """What is kept without `name`."""
    _need(part, name)
    kept = dict(part.kept)
    del kept[name]
    return kept


def plan(part, name, params):
    """What sends a kept command: the parameters of ir_send (dict), or the arguments of send_train (tuple)."""
    repeats = params.get("repeats", 0)
    _, code = _sound(keep.unpack(_text(part, name), min(repeats, 1)))
    if code.fields:
        return dict(code.fields, freq_khz=code.carrier / 1000, repeats=repeats)
    timings = code.once
    if not repeats:  # without a pause at its end, which would take it apart into steps of the RMT
        return code.carrier, timings, 1
    timings[-1] = code.gap
    if code.again:
        return code.carrier, timings + (code.again + [code.gap]) * repeats, 1
    return code.carrier, timings, 1 + repeats


def learned(part, params):
    """What ir_learned answers: the last capture, or the command that is kept under a name."""
    name = params.get("name")
    offset = params.get("offset", 0)
    if name is not None:
        code, once, total, raw = _sound(keep.page(_text(part, name), offset, _PAGE))
        answer = {"id": part.kept[name][0], "name": name}
    elif part.capture is None:
        raise HxtpError(COMMAND_INVALID, "nothing was learned yet")
    else:
        capture = part.capture
        code = _code(capture, {})
        answer = {"learning": capture.verdict, "quality": capture.quality, "reason": capture.reason}
        answer["repeats"] = capture.repeats
        once = len(code.once)
        total = once + len(code.again)
        raw = [0] * max(0, min(_PAGE, total - offset))  # of its very size: it is kept with the answer
        for at in range(len(raw)):
            place = offset + at
            raw[at] = code.once[place] if place < once else code.again[place - once]
    if code.fields:
        answer["decoded"] = code.fields
    answer["freq_khz"] = code.carrier / 1000
    answer["gap"] = code.gap
    answer["offset"] = offset
    answer["once"] = once
    answer["raw"] = raw
    answer["total"] = total
    return answer


def _text(part, name):
    _need(part, name)
    return part.flash(part.files.read, name, part.kept[name][1])


def _sound(found):
    if found is None:
        raise HxtpError(COMMAND_INVALID, "what flash holds of it is spoilt: learn it again")
    return found


def _code(capture, params):
    fields = None
    carrier = 38000
    if capture.fields and not params.get("raw"):
        carrier = capture.carrier
        fields = {key: capture.fields[key] for key in capture.fields if key not in ("protocol", "toggle")}
        fields["encoding"] = capture.fields["protocol"]
    carrier = _hertz(params.get("freq_khz", 0)) or carrier
    return keep.Code(fields, carrier, capture.gap, capture.once, capture.again)
