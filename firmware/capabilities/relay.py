"""A relay: on, off, toggle and pulse, with a shortest time between switchings and interlocked groups.

Must never close two relays of a group at once, nor switch before `min_interval` has passed, power-on
included: what would is refused, while what the relay does by itself (the end of a pulse, power-on) waits.
The state tells where the contact is, not what was asked for.
"""

from machine import Pin

from capabilities import Part, choice, flag, integer
from hxtp.errors import COMMAND_INVALID, HxtpError

_HOUR = 3600000


class Relay(Part):
    """Options: pin, active_low (false), min_interval (ms, 0), interlock (group's name), dead_time (ms, 0:
    how long the others of the group are off before this one goes on), power_on (off, on, last).
    """

    KIND = "relay"
    ACTIONS = {
        "relay_on": (20, "Switch the relay on", {}),
        "relay_off": (21, "Switch the relay off", {}),
        "relay_toggle": (22, "Switch the relay over", {}),
        "relay_pulse": (
            23,
            "Switch the relay on for a time in ms",
            {"duration": {"type": "integer", "minimum": 10, "maximum": _HOUR, "required": True}},
        ),
    }

    def __init__(self, name, options, context):
        super().__init__(name, context)
        self.on = False
        self.interlock = options.pop("interlock", "")
        if type(self.interlock) is not str:
            raise ValueError("'interlock' must be the name of a group")
        self.power_on = choice(options, "power_on", ("off", "on", "last"))
        self._interval = integer(options, "min_interval", 0, 0, _HOUR)
        self._dead_time = integer(options, "dead_time", 0, 0, 60000)
        self._active_low = flag(options, "active_low")
        self._group = ()
        # A relay that lost its power was switched off by that, so the boot counts as a switching.
        self._since = context.now()
        self._due = None  # when it goes on, if it waits for that
        self._pulse = 0  # how long it then stays on, 0 for ever
        self._off_at = None
        self._pin = Pin(options.pop("pin"), Pin.OUT, value=int(self._active_low))

    def joined(self, parts):
        if self.interlock:
            self._group = [
                part
                for part in parts
                if part is not self and part.KIND == "relay" and part.interlock == self.interlock
            ]
        if self.power_on == "on":
            for other in self._group:
                if other.power_on == "on":
                    raise ValueError("interlock '%s': only one relay can be on at power-on" % self.interlock)
            self._wake()

    def relay_on(self, params):
        return self._turn_on(0)

    def relay_pulse(self, params):
        return self._turn_on(params["duration"])

    def relay_off(self, params):
        now = self._context.now()
        if self.on:
            self._allow(now)
        self._drop(now)

    def relay_toggle(self, params):
        if self.on or self._due is not None:
            return self.relay_off(params)
        return self._turn_on(0)

    def _turn_on(self, pulse):
        """Returns {"delay": ms} where the group's dead time has to pass first."""
        now = self._context.now()
        if self.on:
            self._off_at = now + pulse if pulse else None
            return None
        if self._due is None:
            self._allow(now)
            for other in self._group:
                if other.on:
                    other._allow(now)
            self._due = now
            for other in self._group:
                other._drop(now)
                self._due = max(self._due, other._since + self._dead_time)
        self._pulse = pulse
        self.tick(now)
        if self._due is not None:
            return {"delay": self._due - now}
        return None

    def _allow(self, now):
        early = self._since + self._interval - now
        if early > 0:
            raise HxtpError(COMMAND_INVALID, "%s: min_interval, wait %d ms" % (self.name, early))

    def _drop(self, now):
        self._due = None
        self._off_at = None
        if self.on:
            self._switch(False, now)

    def _switch(self, on, now):
        self.on = on
        self._since = now
        self._pin.value(int(on != self._active_low))
        self._context.changed(self)

    def _wake(self):
        """Go on at power-on, unless another of the group already does."""
        now = self._context.now()
        for other in self._group:
            if other.on or other._due is not None:
                return
        self._due = self._since + self._interval
        self.tick(now)

    def tick(self, now):
        if self._due is not None:
            if now >= self._due:
                self._due = None
                self._off_at = now + self._pulse if self._pulse else None
                self._switch(True, now)
        elif self._off_at is not None and now >= self._off_at and now >= self._since + self._interval:
            self._off_at = None
            self._switch(False, now)

    def state(self):
        return {"relay": "on" if self.on else "off"}

    def saved(self):
        """A pulse is not taken up again after a power cut, so a relay in one is kept as off."""
        if self.power_on == "last":
            return {"on": self.on and self._off_at is None}
        return None

    def restore(self, saved):
        if self.power_on == "last" and isinstance(saved, dict) and saved.get("on") is True:
            self._wake()


Capability = Relay
