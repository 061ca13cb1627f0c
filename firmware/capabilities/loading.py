"""Makes the parts of a board from its data, once at the start, and says clearly what is wrong with that data.

Must never move a pin before every name, kind and pin number is sound. Nobody keeps this in memory: it is
loaded by `capabilities.load` and dropped by it.
"""

# GPIO numbers go up to 48 (ESP32-S3); what a chip cannot drive, machine.Pin refuses by itself.
_LAST_GPIO = 48


def load(board, context):
    """What `capabilities.load` does."""
    entries = board.get("parts")
    if type(entries) is not list:
        raise ValueError('the board data needs "parts": a list of {"kind": ...} lines')
    for entry in entries:
        if type(entry) is not dict or not _plain(entry.get("kind")):
            raise ValueError('a part needs "kind": the name of a capability, such as "relay"')
    pins = {}
    for key in sorted(board):
        if board[key] is not None:
            _claim(pins, "the board", key, board[key])
    names = [entry["name"] for entry in entries if entry.get("name") is not None]
    plans = []
    for entry in entries:
        options = dict(entry)
        kind = options.pop("kind")
        name = options.pop("name", None)
        if name is None:
            name, number = kind, 2
            while name in names:
                name, number = "%s%d" % (kind, number), number + 1
            names.append(name)
        if not _plain(name) or names.count(name) > 1:
            raise ValueError(
                "part name '%s': use a-z, 0-9 and _, begin with a letter, and each name once" % name
            )
        for key in sorted(options):
            _claim(pins, "part '%s'" % name, key, options[key])
        plans.append((_capability(kind), name, options))
    parts = [_make(capability, name, options, context) for capability, name, options in plans]
    _check_members(parts)
    for part in parts:
        if hasattr(part, "joined"):
            part.joined(parts)
    return parts


def _plain(text):
    """Whether this can be a kind or a name: also what keeps a kind inside this package."""
    if type(text) is not str or not 0 < len(text) <= 32 or not "a" <= text[0] <= "z":
        return False
    for letter in text:
        if letter not in "abcdefghijklmnopqrstuvwxyz0123456789_":
            return False
    return True


def _claim(pins, owner, key, value):
    """Note that a pin is taken, if this option names one: pin, something_pin, status_led, button."""
    if key not in ("pin", "status_led", "button") and not key.endswith("_pin"):
        return
    if type(value) is not int or not 0 <= value <= _LAST_GPIO:
        raise ValueError("%s: '%s' must be a GPIO number from 0 to %d" % (owner, key, _LAST_GPIO))
    if value in pins:
        raise ValueError("%s: GPIO %d is taken by %s; give one of them another" % (owner, value, pins[value]))
    pins[value] = owner


def _capability(kind):
    try:
        return __import__("capabilities." + kind, None, None, ("Capability",)).Capability
    except (ImportError, AttributeError) as error:
        import os

        kinds = []
        for file in os.listdir(__file__.rsplit("/", 1)[0]):
            file = file.split(".")[0]
            if "_" not in file and file != "loading":  # a _ is in the names of pieces
                kinds.append(file)
        raise ValueError(
            "kind '%s' is none of %s, nor a class Capability in capabilities/%s.py (%s)"
            % (kind, sorted(kinds), kind, error)
        ) from None


def _make(capability, name, options, context):
    where = "part '%s'" % name
    try:
        part = capability(name, options, context)
    except KeyError as missing:
        raise ValueError("%s: add the option '%s'" % (where, missing.args[0])) from None
    except ValueError as error:
        raise ValueError("%s: %s" % (where, error)) from None
    if options:
        # A capability pops what it knows, so what is left was not understood by anyone.
        raise ValueError("%s: unknown option '%s'; is it misspelt?" % (where, sorted(options)[0]))
    return part


def _check_members(parts):
    """The first of a kind reports flat, the others under their names: no two may use the same member."""
    owners = {}
    kinds = []
    for part in parts:
        members = part.state() if part.KIND not in kinds else (part.name,)
        kinds.append(part.KIND)
        for member in members:
            if member in owners:
                raise ValueError(
                    "parts '%s' and '%s' would both report '%s'; rename one"
                    % (owners[member], part.name, member)
                )
            owners[member] = part.name
