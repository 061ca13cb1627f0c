"""An infrared transmitter with a receiver: learns commands, keeps them, and offers each as an action.

Must never block, nor load what it takes to learn and to keep before it is used. The ack of ir_learn says that
learning began; what came of it is in the state, and whole in the answer of ir_learned.
"""

import gc
import sys
import time

from machine import Pin

from capabilities import flag
from capabilities.ir import _KHZ, _REPEATS, Infrared
from hxtp.errors import COMMAND_INVALID, HxtpError

# A capture keeps its module in memory: one for all of them.
_STAY = ("capabilities.ir.capture", "capabilities.ir.learner", "capabilities.ir.send")
_KNOWN = {"type": "string", "minLength": 1, "maxLength": 29}
_NAME = dict(_KNOWN, required=True)
_LEARNED = (
    "Send a learned command, held for repeats",
    {"repeats": _REPEATS},
)


class Learner(Infrared):
    """Options: those of Infrared, and receiver_pin, receiver_active_low (true, as receiver modules are)."""

    ACTIONS = dict(Infrared.ACTIONS)
    ACTIONS.update(
        {
            "ir_learn": (
                44,
                "Learn a button that is pressed within timeout ms, and keep it where there is a name",
                {
                    "name": _KNOWN,
                    "timeout": {"type": "integer", "minimum": 1000, "maximum": 60000},
                    "filter_us": {"type": "integer", "minimum": 0, "maximum": 250},
                    "idle": {"type": "integer", "minimum": 5, "maximum": 100},
                    "tolerance": {"type": "integer", "minimum": 5, "maximum": 40},
                },
            ),
            "ir_learned": (
                45,
                "Tell what was learned last, or is kept under a name: decoded, and timings from offset",
                {"name": _KNOWN, "offset": {"type": "integer", "minimum": 0, "maximum": 4096}},
            ),
            "ir_keep": (
                46,
                "Keep what was learned last as the action ir_<name>; raw: as timings even where decoded",
                {
                    "name": _NAME,
                    "raw": {"type": "boolean"},
                    "freq_khz": _KHZ,
                },
            ),
            "ir_kept": (47, "List the learned commands with their ids", {}),
            "ir_rename": (48, "Rename a learned command", {"name": _NAME, "to": _NAME}),
            "ir_remove": (49, "Remove a learned command", {"name": _NAME}),
        }
    )

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
        self._loaded = False  # whether there is something to forget
        self.files = context.files(name)
        self.kept = kept = {}  # names of kept commands: (id, bytes in flash)
        try:
            if self.files.names():
                kept = self._plan("listed")
        except OSError as error:  # it can still send
            print("hxtp: learned commands cannot be read:", error)
        # Names that a module brings stay for ever. All come now, where they lie beside each other, and not
        # later in the midst of a heap that has to find room for what is learned.
        for modules in (
            "commands keep learn nec press receive",
            "jvc kaseikyo lg pronto rc5 rc6 samsung sony",
        ):
            for module in modules.split():
                self._load(module)
            self._forget()
        self._offer(kept)

    def joined(self, parts):
        for part in parts:
            if part is not self and isinstance(part, Learner):
                raise ValueError("only one 'ir' part of a board can have a 'receiver_pin'")

    def method(self, action):
        """What does an action, or None. Learned commands are actions without a method of their own."""
        self._loaded = True  # what it will load; with the next tick it goes
        if action in self.ACTIONS:
            return getattr(self, action)
        return lambda params: self._send_kept(action[3:], params)

    def _send_kept(self, name, params):
        job = self._plan("plan", name, params)
        return self.ir_send(job) if isinstance(job, dict) else self.send_train(*job)

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
            self._plan("check", params["name"])
        if self._listening:  # begin anew
            self._listening.receiver.stop()
            self._listening = None
        self._noise = None
        self._order = dict(params, deadline=self._context.now() + params.get("timeout", 15000))
        self._listen()
        self._learning = "waiting"
        self._context.changed(self)

    def _listen(self):
        self._forget()
        receive = self._load("receive")
        receiver = receive.Receiver(self._receiver_pin, self._time)
        self._listening = receive.Listening(receiver, self._mark, self._order)

    def tick(self, now):
        super().tick(now)
        if self._loaded:
            self._forget()
        if not self._listening:
            return
        try:
            heard = self._listening.poll(now)
            if heard is None:
                return
            self._listening = None  # what listened leaves memory before what judges comes
            capture = self._judge(heard, now)
        except Exception:
            if self._listening:
                self._listening.receiver.stop()
                self._listening = None
            self._loaded = True
            self._learning = "failed"
            self._context.changed(self)
            raise
        if capture is None:
            return
        self._learning = capture.verdict
        self.capture = capture
        self._forget()
        name = self._order.get("name")
        if name is not None and capture.usable():
            try:
                self._keep(name, {})
            except HxtpError as refusal:
                capture.quality = "fair"
                capture.reason = "not kept: " + refusal.detail
        self._context.changed(self)

    def _judge(self, heard, now):
        """The Capture, or None: noise is listened to until the time is over."""
        timings, full = heard
        if timings is None:
            return self._noise or self._load("capture").Capture("timeout")
        gc.collect()  # of all that was heard meanwhile, so that what judges finds room in one place
        order = self._order
        idle, tolerance = order.get("idle", 10) * 1000, order.get("tolerance", 25)
        capture = self._load("learn").judge(timings, idle, tolerance, full, self.capture)
        if capture.verdict != "noise" or now >= order["deadline"]:
            return capture
        self._noise = capture
        self._listen()

    # -- keep -----------------------------------------------------------------------------------

    def ir_learned(self, params):
        return self._plan("learned", params)

    def ir_keep(self, params):
        result = self._keep(params["name"], params)
        self._context.changed(self)
        return result

    def ir_kept(self, params):
        return {"kept": {name: self.kept[name][0] for name in self.kept}}

    def ir_rename(self, params):
        name, to = params["name"], params["to"]
        self._offer_and(self._plan("rename", name, to), self.files.rename, name, to)
        self._context.changed(self)

    def ir_remove(self, params):
        kept = self._plan("remove", params["name"])
        self.flash(self.files.remove, params["name"])
        self.offer(kept)
        self._context.changed(self)

    def _keep(self, name, params):
        kept, text = self._plan("keep_capture", name, params)
        self._offer_and(kept, self.files.write, name, text)
        return {"action": "ir_" + name, "id": kept[name][0]}

    def _offer_and(self, kept, *change):
        # First the manifest, which can refuse it, then flash, which can fail.
        before = self.kept
        self.offer(kept)
        try:
            self.flash(*change)
        except HxtpError:
            self.offer(before)
            raise

    def flash(self, function, *arguments):
        """What a function of `files` gives; an OSError becomes a refusal."""
        try:
            return function(*arguments)
        except OSError as error:
            raise HxtpError(COMMAND_INVALID, "flash: %s" % error) from None

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

    def _load(self, name):
        """A module of what is done seldom: forgotten when that is done, or failed, before the next tick."""
        self._loaded = True
        return __import__("capabilities.ir." + name, None, None, ("ir",))

    def _plan(self, function, *arguments):
        """What a function of commands.py gives, which is dropped before anybody uses it."""
        result = getattr(self._load("commands"), function)(self, *arguments)
        self._forget()
        return result

    def _forget(self):
        """Drop all modules but those that every board with a receiver has at its start. What is still at
        work goes on; it leaves memory with the last who uses it.
        """
        for name in [name for name in sys.modules if name.startswith("capabilities.ir.")]:
            if name not in _STAY:
                delattr(sys.modules["capabilities.ir"], name[len("capabilities.ir.") :])
                del sys.modules[name]
        self._loaded = False


def _words(fields):
    words = [fields["protocol"]]
    for name in sorted(fields):
        if name not in ("protocol", "toggle"):
            words.append("%s=%d" % (name, fields[name]))
    return " ".join(words)
