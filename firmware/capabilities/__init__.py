"""What a device can do: makes its parts from the board data, and says clearly what is wrong with that data.

Must never talk to the network, nor to flash but through what its context gives it (`saved()` for a state,
`files(name)` for what is kept), nor move a pin before every name, kind and pin number is sound.

A capability is a module here with a class `Capability`; the kind in the board data is the module's name.
Action ids are unique over all kinds:

    1-19     light        20-39    relay        40-59    ir
    400-999  infrared commands that a device learned
    60-399   kept for kinds that come later     1000-65535  yours

    ir: 40 ir_send_raw  41 ir_send_nec  42 ir_send  43 ir_send_pronto  44 ir_learn  45 ir_learned
        46 ir_keep  47 ir_kept  48 ir_rename  49 ir_remove
"""


class Part:
    """What every capability shares. Subclasses set KIND and ACTIONS and have one method per action.

    ACTIONS: {action: (id, description, properties[, safety class])}. A method gets its parameters checked
    against the properties, returns None or a small dict for the ack, and raises HxtpError to refuse,
    always before it moves a pin.
    A part whose actions come and go has `method(action)`, which gives what does one.
    """

    KIND = ""
    ACTIONS = {}

    def __init__(self, name, context):
        """`context.now()` gives monotonic ms, `context.changed(part)` says that there is state to report,
        `context.declare(part)` that `actions` changed, `context.files(name)` the part's files in flash.
        """
        self.name = name
        self.actions = self.ACTIONS
        self._context = context

    def joined(self, parts):
        """Called once when all parts of the board are there, this one among them."""

    def state(self):
        """The state to report: a flat dict of ints, bools and strings."""
        return {}

    def tick(self, now):
        """Called every 10-20 ms with the monotonic time in ms; must not block."""

    def saved(self):
        """What to keep over a power cut, or None."""
        return None

    def restore(self, saved):
        """Take back what `saved()` gave before the power went; anything else is ignored."""


def integer(options, name, default, low, high):
    """Take a whole number out of the options, or say what it must be."""
    value = options.pop(name, default)
    if type(value) is not int or not low <= value <= high:
        raise ValueError("'%s' must be a whole number from %d to %d" % (name, low, high))
    return value


def flag(options, name, default=False):
    """Take a true or false out of the options."""
    value = options.pop(name, default)
    if value is not True and value is not False:
        raise ValueError("'%s' must be true or false" % name)
    return value


def choice(options, name, names):
    """Take one of the names out of the options; the first is the default."""
    value = options.pop(name, names[0])
    if value not in names:
        raise ValueError("'%s' must be one of %s" % (name, ", ".join(names)))
    return value


def load(board, context):
    """Make the parts of a board, in the order of its data: a list.

    `board`: {"parts": [{"kind": …, "name": …, options}]}; a name defaults to the kind, then kind2, kind3 …
    Raises ValueError with what to change where the data cannot be used.
    """
    import sys

    from capabilities import loading

    try:
        return loading.load(board, context)
    finally:  # 2 kB that are needed once
        del sys.modules["capabilities.loading"]
        delattr(sys.modules["capabilities"], "loading")
