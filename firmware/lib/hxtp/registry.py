"""What the device can do: parts, their actions, the manifest made from them, and their state.

A part has `name`, `KIND`, `actions` {action: (id, description, properties[, safety class])},
one method per action, and `state()`. Nothing is called before its parameters are checked. A part whose
actions come and go has `method(action)` instead: MicroPython never forgets a name that an attribute had.
"""

from hxtp import schema
from hxtp.errors import COMMAND_INVALID, INTERNAL_ERROR, INVALID_PARAMS, UNKNOWN_ACTION, HxtpError
from hxtp.frame import MAX_BODY
from hxtp.jsonscan import loads
from hxtp.jsontext import dumps

RESERVED = "hxtp."
# Members of a command's body that are not parameters, and one that a JSON profile claims for itself.
ACTION = "action"
TARGET = "target"
DRY_RUN = "dry_run"
PROTOCOL = "protocol"

MAX_ACTION = 32
SAFETY = ("normal", "sensitive", "critical", "restricted")
MAX_RESULT = 8192  # bytes of JSON that a command may answer with
_PIECE = 200  # bytes and more in a piece of the manifest


class Registry:
    """The parts of one device, in the order of its board data."""

    def __init__(self, on_error=None):
        """`on_error(exception)` is told of a fault inside a part; the peer only sees INTERNAL_ERROR."""
        self.parts = []
        self._actions = {}
        self._on_error = on_error

    def add(self, part):
        """Add a part. Raises ValueError where its declaration cannot be used, and says why."""
        for other in self.parts:
            if other.name == part.name:
                raise ValueError("two parts are named " + part.name)
        seen = self.state()
        for member in [part.name] if self._has(part.KIND) else part.state():
            if member in seen:
                raise ValueError("%s: its state would hide another %s" % (part.name, member))
        self._index(part)
        self.parts.append(part)

    def _index(self, part):
        for action in sorted(part.actions):
            spec = part.actions[action]
            self._check_spec(part, action, spec)
            known = self._actions.get(action)
            if known is None:
                self._actions[action] = (spec, [part])
            else:
                known[1].append(part)

    def refresh(self):
        """Take the actions that the parts have now. Where they cannot be declared (ValueError) or make the
        manifest too large (HxtpError) all stays as it was.
        """
        before = self._actions
        self._actions = {}
        try:
            for part in self.parts:
                self._index(part)
            size = 0
            for piece in self.pieces():
                size += len(piece)
            if size > MAX_BODY:
                raise HxtpError(COMMAND_INVALID, "the manifest has no room for more actions")
        except Exception:
            self._actions = before
            raise

    def _has(self, kind):
        for part in self.parts:
            if part.KIND == kind:
                return True
        return False

    def _check_spec(self, part, action, spec):
        if not 0 < len(action) <= MAX_ACTION or not 0 < spec[0] < 65536:
            raise ValueError("%s: a name has 1 to 32 characters, an id is 1 to 65535" % action)
        if len(spec) > 3 and spec[3] not in SAFETY:
            raise ValueError("%s: a safety class is one of %s" % (action, ", ".join(SAFETY)))
        if action.startswith(RESERVED):
            raise ValueError("action names beginning %s are the protocol's own: %s" % (RESERVED, action))
        if not _method(part, action):
            raise ValueError("%s declares %s but has no such method" % (part.KIND, action))
        for name in spec[2]:
            if name in (ACTION, TARGET, DRY_RUN, PROTOCOL):
                raise ValueError("%s: a parameter cannot be named %s" % (action, name))
            if spec[2][name].get("type") not in schema.TYPES:
                raise ValueError("%s: the type of %s is one of %s" % (action, name, ", ".join(schema.TYPES)))
            if "pattern" in spec[2][name]:
                raise ValueError("%s: a device cannot check a pattern; use enum or lengths" % action)
        for other in self._actions:
            same = self._actions[other]
            if other == action and (same[1][0].KIND != part.KIND or same[0] != spec):
                raise ValueError("%s is declared twice, differently" % action)
            if other != action and same[0][0] == spec[0]:
                raise ValueError("%s and %s have the same id %d" % (action, other, spec[0]))

    def manifest(self):
        """The manifest's body as text (str): capabilities sorted by action."""
        return "".join(self.pieces())

    def pieces(self):
        """The same piece by piece, for a heap that has no room for all of it: what `refresh` changes
        meanwhile does not show in them.
        """
        actions = self._actions
        mark = '{"capabilities":['
        for action in sorted(actions):
            yield from _entry(mark, action, *actions[action])
            mark = ","
        yield "]}" if actions else mark + "]}"

    def state(self):
        """State by part: flat for the first of a kind, under its name for the others.

        A part that cannot tell its state is left out, and the owner told.
        """
        state = {}
        kinds = []
        for part in self.parts:
            try:
                told = part.state()
            except Exception as fault:  # a sensor came off; the others still have something to say
                self._tell(fault)
                told = {}
            if part.KIND in kinds:
                state[part.name] = told
            else:
                kinds.append(part.KIND)
                state.update(told)
        return state

    def find(self, action, params):
        """Return (part, parameters) of a command, checked; raises HxtpError and touches nothing."""
        known = self._actions.get(action)
        if known is None:
            raise HxtpError(UNKNOWN_ACTION)
        params = dict(params)
        params.pop(ACTION, None)
        if params.get(DRY_RUN) is True:  # any other value is blamed in its turn, as what is not declared
            del params[DRY_RUN]
        target = params.get(TARGET, known[1][0].name)
        for part in known[1]:
            if part.name == target:
                params.pop(TARGET, None)
                break
        # A target that names no part is still there, and is blamed in its turn, as what is not declared.
        schema.check(known[0][2], params)
        return part, params

    def run(self, action, params):
        """Execute a command, or only check a dry run. Returns the members of its ack beside the reference."""
        try:
            part, checked = self.find(action, params)
            if DRY_RUN in params:
                return {"ack_status": DRY_RUN}
            result = _method(part, action)(checked)
        except HxtpError as refusal:
            return failed(refusal.code, refusal.detail)
        except Exception as fault:  # a fault in a part must not take the device down
            self._tell(fault)
            return failed(INTERNAL_ERROR)
        ack = {"ack_status": "executed"}
        if result:
            try:
                if len(dumps(result)) > MAX_RESULT:
                    raise ValueError("the result of %s is too large" % action)
                ack["result"] = result
            except (TypeError, ValueError, MemoryError) as fault:  # it was executed, all the same
                self._tell(fault)
        return ack

    def _tell(self, fault):
        if self._on_error:
            self._on_error(fault)


def _method(part, action):
    return part.method(action) if hasattr(part, "method") else getattr(part, action, None)


def _entry(mark, action, spec, parts):
    # The text of an action, in pieces for which a heap that has been in use for long finds room.
    properties = dict(spec[2])
    properties[TARGET] = {"enum": [part.name for part in parts], "type": "string"}
    text = (
        mark
        + '{"action":%s,"description":%s,"id":%d,"paramSchema":{"additionalProperties":false,"properties":'
        % (
            dumps(action),
            dumps(spec[1]),
            spec[0],
        )
    )
    mark = "{"
    for name in sorted(properties):
        text += mark + dumps(name) + ":" + dumps(properties[name])
        mark = ","
        if len(text) > _PIECE:
            yield text
            text = ""
    safety = spec[3] if len(spec) > 3 else "normal"
    yield text + '}},"safetyClass":"%s","supportsDryRun":true}' % safety


def failed(code, detail=""):
    """The members of a nack: `error`, and `member` (the parameter to blame) or `detail` (why, for people)."""
    ack = {"ack_status": "failed", "error": code}
    if detail:
        ack["member" if code == INVALID_PARAMS else "detail"] = detail[:64]
    return ack


def action_of(message, params, unsigned_action=False):
    """The action of a command message, decided by the signed body.

    Raises HxtpError(COMMAND_INVALID) where it has none, or a top-level one that differs.
    `unsigned_action`: accept a top-level action alone, which nobody signed.
    """
    action = params.get(ACTION)
    if message.action is not None:
        outer = loads(message.action)
        if action is None and unsigned_action:
            action = outer
        if outer != action:
            raise HxtpError(COMMAND_INVALID)
    if not isinstance(action, str) or not 0 < len(action) <= MAX_ACTION:
        raise HxtpError(COMMAND_INVALID)
    return action
