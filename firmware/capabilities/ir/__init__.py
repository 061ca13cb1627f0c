"""An infrared transmitter: sends timings as they are stored, or makes them from a protocol's own numbers.

Must never block: the hardware sends, `tick(now)` begins what waits. Each protocol's module loads when used.

Sending has no state to report: a frame is over before a report of it would arrive. The ack tells in
`duration` how many ms the sending takes. What learns, with a receiver, is in learner.py.
"""

from capabilities import Part, flag, integer
from hxtp.errors import COMMAND_INVALID, INVALID_PARAMS, HxtpError

# Bounds of the memory: timings in one frame and in all that wait, and timings sent in one piece by repeating.
_MOST = 2048
_PIECE = 512
_LONGEST_US = 10000000
# The pause after a frame that ends with a mark, as remotes leave it.
_GAP_US = 40000
# Those of codecs.MODULES, which loads when it is used.
_PROTOCOLS = "jvc kaseikyo lg nec necext rc5 rc5x rc6 samsung32 sony12 sony15 sony20".split()
# Rules that several actions share: each dict is 100 bytes of memory.
_KHZ = {"type": "number", "minimum": 10, "maximum": 60}
_DUTY = {"type": "integer", "minimum": 1, "maximum": 90}
_REPEATS = {"type": "integer", "minimum": 0, "maximum": 10}
_WORD = {"type": "integer", "minimum": 0, "maximum": 65535, "required": True}


class Infrared(Part):
    """Options: pin, active_low (false), channel (0; the RMT channel, which MicroPython before 1.27 wants)."""

    KIND = "ir"
    ACTIONS = {
        "ir_send_raw": (
            40,
            "Send timings in us, mark first; freq_khz carrier, repeat sends in all, duty in percent",
            {
                "freq_khz": dict(_KHZ, required=True),
                "raw": {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 1, "maximum": 2000000},
                    "minItems": 1,
                    "maxItems": _MOST,
                    "required": True,
                },
                "repeat": {"type": "integer", "minimum": 1, "maximum": 20},
                "duty": _DUTY,
            },
        ),
        "ir_send_nec": (
            41,
            "Send an NEC frame, then its repeat frames; an address over 255 is an extended one",
            {
                "address": _WORD,
                "command": {"type": "integer", "minimum": 0, "maximum": 255, "required": True},
                "repeats": {"type": "integer", "minimum": 0, "maximum": 20},
            },
        ),
        "ir_send": (
            42,
            "Send a button, held for repeats; toggle bit, carrier and duty are the protocol's unless given",
            {
                # Not "protocol": a JSON profile of the cloud claims that name.
                "encoding": {"type": "string", "enum": _PROTOCOLS, "required": True},
                "address": _WORD,
                "command": _WORD,
                "vendor": {"type": "integer", "minimum": 0, "maximum": 65535},
                "toggle": {"type": "integer", "minimum": 0, "maximum": 1},
                "repeats": _REPEATS,
                "freq_khz": _KHZ,
                "duty": _DUTY,
            },
        ),
        "ir_send_pronto": (
            43,
            "Send a learned Pronto code, its repeating part repeats times (once if it has no other)",
            {
                "code": {"type": "string", "minLength": 29, "maxLength": 5139, "required": True},
                "repeats": _REPEATS,
            },
        ),
    }

    def __init__(self, name, options, context):
        # Here and not above: the host uses the protocols of this package, and has no RMT.
        from capabilities.ir.send import Transmitter

        super().__init__(name, context)
        self._until = 0
        self._waiting = []  # [carrier Hz, duty %, timings, sends that remain]
        self._toggles = []  # [protocol, address, the toggle bit sent last], the newest last
        channel = integer(options, "channel", 0, 0, 7)
        active_low = flag(options, "active_low")
        self._transmitter = Transmitter(options.pop("pin"), channel, active_low)

    def ir_send_raw(self, params):
        raw = params["raw"]
        repeat = params.get("repeat", 1)
        if sum(raw) > _LONGEST_US:
            raise HxtpError(INVALID_PARAMS, "raw")
        if len(raw) % 2 and repeat > 1:
            # Without a pause the last mark would run into the first of the next send.
            raw = raw + [_GAP_US]
        if sum(raw) * repeat > _LONGEST_US:
            raise HxtpError(INVALID_PARAMS, "repeat")
        return self._send(_hertz(params["freq_khz"]), params.get("duty", 33), raw, repeat)

    def ir_send_nec(self, params):
        from capabilities.ir import nec

        timings = nec.press(params["address"], params["command"], params.get("repeats", 0))
        return self._send(nec.CARRIER, nec.DUTY, timings, 1)

    def ir_send(self, params):
        from capabilities.ir import press

        params = dict(params)
        carrier, duty = _hertz(params.pop("freq_khz", 0)), params.pop("duty", 0)
        codec, fields, repeats = press.plan(params, self._toggles)
        timings, sends = codec.train(fields, repeats)
        carrier, duty = carrier or codec.CARRIER, duty or codec.DUTY
        del codec
        self._forget()
        result = self._send(carrier, duty, timings, sends)
        press.keep_toggle(fields, self._toggles)
        return result

    def ir_send_pronto(self, params):
        from capabilities.ir import press

        job = press.pronto_job(params["code"], params.get("repeats", 0))
        if isinstance(job, dict):
            return self.ir_send(job)
        return self.send_train(*job)

    def _forget(self):
        """Called when what an action loaded is not needed any more; here it stays, for the next press."""

    def send_train(self, carrier, timings, sends):
        """Send timings so many times, or refuse with `repeats` as too many. Those of several sends end with a
        pause.
        """
        if len(timings) > _MOST or sum(timings) * sends > _LONGEST_US:
            raise HxtpError(INVALID_PARAMS, "repeats")
        return self._send(carrier, 33, timings, sends)

    def _send(self, carrier, duty, timings, sends):
        size = len(timings)
        for job in self._waiting:
            size += len(job[2])
        if self._waiting and size > _MOST:
            raise HxtpError(COMMAND_INVALID, "infrared is busy, send again later")
        self._waiting.append([carrier, duty, timings, sends])
        self.tick(self._context.now())
        return {"duration": (sum(timings) * sends + 999) // 1000}

    def tick(self, now):
        if not self._waiting or now < self._until:
            return
        job = self._waiting[0]
        carrier, duty, timings, sends = job
        # As many sends as fit go out in one piece, with the pauses between them exact.
        batch = min(sends, max(1, _PIECE // len(timings)))
        job[3] -= batch
        if not job[3]:
            self._waiting.pop(0)
        self._transmitter.write(carrier, duty, timings * batch if batch > 1 else timings)
        took = sum(timings) * batch
        if len(timings) % 2:
            took += _GAP_US
        self._until = now + took // 1000 + 2


def _hertz(kilohertz):
    return int(kilohertz * 1000 + 0.5)


def Capability(name, options, context):
    """An infrared part; with the option receiver_pin it learns and keeps commands too."""
    if "receiver_pin" not in options:
        return Infrared(name, options, context)
    from capabilities.ir.learner import Learner

    return Learner(name, options, context)
