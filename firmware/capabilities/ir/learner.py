"""An infrared transmitter with a receiver: learns commands, keeps them, and offers each as an action.

Must never block, nor load what it takes to learn and to keep before it is used. The ack of ir_learn says that
learning began; what came of it is in the state, and whole in the answer of ir_learned.
"""

import sys
import time

from machine import Pin

from capabilities import flag
from capabilities.ir import Infrared
from hxtp.errors import COMMAND_INVALID, HxtpError

_NAME = {"type": "string", "minLength": 1, "maxLength": 29, "required": True}
_LEARNED = (
    "Send a learned command, held for repeats",
    {"repeats": {"type": "integer", "minimum": 0, "maximum": 10}},
)


def _optional(rule):
    return {key: rule[key] for key in rule if key != "required"}


class Learner(Infrared):
    """Options: those of Infrared, and receiver_pin, receiver_active_low (true, as receiver modules are)."""

    ACTIONS = dict(Infrared.ACTIONS)
    ACTIONS.update(
        {
            "ir_learn": (
                44,
                "Learn a button that is pressed within timeout ms, and keep it where there is a name",
                {
                    "name": _optional(_NAME),
                    "timeout": {"type": "integer", "minimum": 1000, "maximum": 60000},
                    "filter_us": {"type": "integer", "minimum": 0, "maximum": 250},
                    "idle": {"type": "integer", "minimum": 5, "maximum": 100},
                    "tolerance": {"type": "integer", "minimum": 5, "maximum": 40},
                },
            ),
            "ir_learned": (
                45,
                "Tell what was learned last, or is kept under a name: decoded, and timings from offset",
                {"name": _optional(_NAME), "offset": {"type": "integer", "minimum": 0, "maximum": 4096}},
            ),
            "ir_keep": (
                46,
                "Keep what was learned last as the action ir_<name>; raw: as timings even where decoded",
                {
                    "name": _NAME,
                    "raw": {"type": "boolean"},
                    "freq_khz": {"type": "number", "minimum": 10, "maximum": 60},
                },
            ),
            "ir_kept": (47, "List the learned commands with their ids", {}),
            "ir_rename": (48, "Rename a learned command", {"name": _NAME, "to": _NAME}),
            "ir_remove": (49, "Remove a learned command", {"name": _NAME}),
        }
    )
    # Names of kept commands: (id, bytes in flash). Of the class until flash was read: see __getattr__.
    kept = {}

    def __init__(self, name, options, context):
        super().__init__(name, options, context)
        active_low = flag(options, "receiver_active_low", True)
        pull = Pin.PULL_UP if active_low else Pin.PULL_DOWN
        self._receiver_pin = Pin(options.pop("receiver_pin"), Pin.IN, pull)
        self._mark = 0 if active_low else 1
        self._time = time
        self._learning = "idle"
        self._listening = None
        self.capture = None
        self._loaded = None  # the modules that were there before what is to be forgotten
        self.files = context.files(name)
        kept = {}
        try:
            if self.files.names():
                kept = self._commands().listed(self)
        except OSError as error:  # it can still send
            print("hxtp: learned commands cannot be read:", error)
        self._forget()
        self._offer(kept)

    def joined(self, parts):
        for part in parts:
            if part is not self and isinstance(part, Learner):
                raise ValueError("only one 'ir' part of a board can have a 'receiver_pin'")

    def __getattr__(self, name):
        # Learned commands are actions without a method of their own.
        if name[:3] != "ir_" or name[3:] not in self.kept:
            raise AttributeError(name)
        return lambda params: self._send_kept(name[3:], params)

    def _send_kept(self, name, params):
        from capabilities.ir import commands

        return commands.send(self, name, params)

    def state(self):
        capture = self.capture
        told = capture.fields if capture and capture.usable() else None
        return {
            "ir_learning": self._learning,
            "ir_decoded": _words(told) if told else "",
            "ir_quality": capture.quality if capture else "",
            "ir_kept": len(self.kept),
        }

    # -- learn ----------------------------------------------------------------------------------

    def ir_learn(self, params):
        if "name" in params:
            self._commands().check(self, params["name"])
        self._remember()
        from capabilities.ir import receive

        if self._listening:  # begin anew
            receiver = self._listening.receiver
        else:
            receiver = receive.Receiver(self._receiver_pin, self._time)
        now = self._context.now()
        self._listening = receive.Listening(receiver, self._mark, params, now, self.capture)
        self._learning = "waiting"
        self._context.changed(self)

    def tick(self, now):
        super().tick(now)
        if not self._listening:
            if self._loaded is not None:
                self._forget()
            return
        try:
            capture = self._listening.poll(now)
        except Exception:
            self._listening.receiver.stop()
            self._listening = None
            self._learning = "failed"
            self._context.changed(self)
            raise
        if capture is None:
            return
        name = self._listening.name
        self._listening = None
        self._learning = capture.verdict
        self.capture = capture
        if name is not None and capture.usable():
            try:
                self._commands().keep_capture(self, name, {})
            except HxtpError as refusal:
                capture.quality = "fair"
                capture.reason = "not kept: " + refusal.detail
        self._context.changed(self)

    # -- keep -----------------------------------------------------------------------------------

    def ir_learned(self, params):
        return self._commands().learned(self, params)

    def ir_keep(self, params):
        result = self._commands().keep_capture(self, params["name"], params)
        self._context.changed(self)
        return result

    def ir_kept(self, params):
        return {"kept": {name: self.kept[name][0] for name in self.kept}}

    def ir_rename(self, params):
        self._commands().rename(self, params["name"], params["to"])
        self._context.changed(self)

    def ir_remove(self, params):
        self._commands().remove(self, params["name"])
        self._context.changed(self)

    def offer(self, kept):
        """Offer these commands; raises HxtpError, and offers those of before, where there is no room."""
        before = self.kept
        self._offer(kept)
        try:
            self._context.declare(self)
        except (HxtpError, ValueError) as refusal:
            self._offer(before)
            raise HxtpError(COMMAND_INVALID, getattr(refusal, "detail", str(refusal))) from None

    def _offer(self, kept):
        self.kept = kept
        self.actions = dict(self.ACTIONS)
        for name in kept:
            if kept[name][0]:
                self.actions["ir_" + name] = (kept[name][0],) + _LEARNED

    # -- memory ---------------------------------------------------------------------------------

    def _commands(self):
        self._remember()
        from capabilities.ir import commands

        return commands

    def _modules(self):
        return [name for name in sys.modules if name.startswith("capabilities.ir.")]

    def _remember(self):
        if self._loaded is None:
            self._loaded = self._modules()

    def _forget(self):
        """Drop the modules that were loaded since: what is used seldom need not lie in memory."""
        for name in self._modules():
            if name not in (self._loaded or (name,)):
                delattr(sys.modules["capabilities.ir"], name[len("capabilities.ir.") :])
                del sys.modules[name]
        self._loaded = None


def _words(fields):
    words = [fields["protocol"]]
    for name in sorted(fields):
        if name not in ("protocol", "toggle"):
            words.append("%s=%d" % (name, fields[name]))
    return " ".join(words)
