"""A hobby servo, as an example: a capability is one short file, and one line of board data puts it to use."""

from machine import PWM, Pin

from capabilities import Part


class Capability(Part):
    KIND = "servo"
    ACTIONS = {
        "servo_angle": (
            1000,
            "Turn the servo to an angle in degrees",
            {"angle": {"type": "integer", "minimum": 0, "maximum": 180, "required": True}},
        ),
    }

    def __init__(self, name, options, context):
        super().__init__(name, context)
        self.angle = 90
        self._pwm = PWM(Pin(options.pop("pin")), freq=50, duty_u16=4915)  # 1.5 ms of 20: the middle

    def servo_angle(self, params):
        self.angle = params["angle"]
        self._pwm.duty_u16(1638 + self.angle * 6554 // 180)  # 0.5 to 2.5 ms
        self._context.changed(self)

    def state(self):
        return {"servo": self.angle}
