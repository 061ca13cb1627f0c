"""What a press of a button means: checked fields with their toggle bit, or the timings of a Pronto code.

Must never send, nor change a toggle bit before the press was taken. Loads when the first such command comes.
"""

from capabilities.ir import codecs
from hxtp.errors import COMMAND_INVALID, INVALID_PARAMS, HxtpError

# Remotes (a protocol with an address) whose toggle bit is remembered; the oldest makes room.
_REMOTES = 16


def plan(params, toggles):
    """(codec, fields, repeats) of what ir_send got. `toggles`: [(protocol, address, bit)], newest last."""
    fields = dict(params)
    repeats = fields.pop("repeats", 0)
    protocol = fields.pop("encoding")
    codec = codecs.module(protocol)
    bounds = codec.FIELDS[protocol]
    for name in sorted(fields):
        low, high = bounds.get(name, (1, 0))
        if not low <= fields[name] <= high:
            raise HxtpError(INVALID_PARAMS, name)
    fields["protocol"] = protocol
    if "toggle" in bounds and "toggle" not in fields:
        fields["toggle"] = 0
        for known in toggles:
            if _same(known, fields):
                fields["toggle"] = 1 - known[2]
    return codec, fields, repeats


def _same(known, fields):
    # rc5 and rc5x are one remote.
    return known[0] == fields["protocol"][:3] and known[1] == fields["address"]


def keep_toggle(fields, toggles):
    """Remember the toggle bit that was sent, if there was one."""
    if "toggle" not in fields:
        return
    for known in toggles:
        if _same(known, fields):
            toggles.remove(known)
            break
    toggles.append((fields["protocol"][:3], fields["address"], fields["toggle"]))
    if len(toggles) > _REMOTES:
        toggles.pop(0)


def pronto_job(code, repeats):
    """What a Pronto code sends whose second part comes `repeats` times: (carrier or 0, timings, sends); or
    the parameters of ir_send (dict) where it names a protocol.
    """
    from capabilities.ir import pronto

    form = pronto.form(code)
    try:
        if form in ("5000", "6000", "900A"):
            return dict(pronto.named(code), repeats=repeats)
        if form not in ("0000", "0100"):
            if len(form) == 4 and not form.strip("0123456789ABCDEF"):
                raise HxtpError(
                    COMMAND_INVALID, "Pronto form %s is not known; 0000 0100 5000 6000 900A are" % form
                )
            raise ValueError()
        carrier, once, again = pronto.parse("0000" + code.strip()[4:])
    except ValueError:
        raise HxtpError(INVALID_PARAMS, "code")
    if form == "0100":
        carrier = 0
    elif not 10000 <= carrier <= 60000:
        raise HxtpError(INVALID_PARAMS, "code")
    if not 0 < sum(once) + sum(again) <= 10000000:
        raise HxtpError(INVALID_PARAMS, "code")
    if not again or not once:
        return carrier, again or once, repeats + 1
    return carrier, once + again * repeats, 1
