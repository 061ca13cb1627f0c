"""The story: each step says what happens, lets it happen, checks it, and shows what the pins did.

A step that does not come true raises DemoError; nothing here is told that was not measured.
"""

import time
from collections import Counter

from host_sim.cloud_client.api import CloudError, Refused
from host_sim.demo import attacker, drawings
from host_sim.demo.errors import DemoError
from host_sim.demo.screen import Screen
from host_sim.demo.stage import DemoBoard, Stage

FADE_MS = 2000
PULSE_MS = 300
NEC_ADDRESS, NEC_COMMAND = 0x04, 0x08
QUIET = 0.5  # seconds in which pins must not move after a refused message
AWAY = 2.0  # seconds of the outage


class Story:
    def __init__(self, stage: Stage, screen: Screen) -> None:
        self.stage = stage
        self.screen = screen
        self.lamp, self.relays, self.blaster = stage.boards.values()
        self._codes: Counter[str] = Counter()  # of the attacks that were refused
        self._at: list[float] = []  # when they were
        self._begun = 0.0

    def tell(self) -> None:
        """All of it, in order."""
        for step in (
            self.hello, self.manifest, self.light, self.relay, self.infrared, self.wrong_parameter,
            self.yes, self.attack, self.still_there, self.outage, self.totals,
        ):  # fmt: skip
            try:
                step()
            except CloudError as error:
                raise DemoError(str(error), self.stage.hints()) from None

    # -- meeting --------------------------------------------------------------------------------

    def hello(self) -> None:
        self.screen.step(
            "Hello",
            "The owner has registered three devices by the cloud's REST API. Each board has the secret that "
            "its registration gave, joins Wi-Fi, connects to the cloud's broker over TLS and says hello, "
            "signed. The cloud's signed answer brings it the time and lets it begin.",
        )
        for board in self.stage.boards.values():
            self.stage.until(
                lambda board=board: board.device_id in self.stage.dashboard.states,
                40,
                f"the {board.name} never got as far as telling its state",
            )
            device = self._get(f"/devices/{board.device_id}")
            if not device["session"]:
                raise DemoError(f"the cloud knows of no hello of the {board.name}", self.stage.hints(board))
            self.screen.fact(
                f"{device['name']:<8} {device['id'][:8]}…  {device['device_type']}, firmware "
                f"{device['firmware']}, session open"
            )

    def manifest(self) -> None:
        self.screen.step(
            "Manifest",
            "Each board tells what it can do; the cloud takes the list whose hash was in the hello.",
        )
        for board in self.stage.boards.values():
            manifest = self.stage.client.manifest(board.device_id)
            if manifest is None or manifest["source"] != "device":
                raise DemoError(f"the {board.name} sent no manifest", self.stage.hints(board))
            names = [entry["action"] for entry in manifest["capabilities"]]
            self.screen.fact(f"{board.name:<8} {board.what}: {', '.join(names)}")

    # -- commands -------------------------------------------------------------------------------

    def light(self) -> None:
        self.screen.step(
            "Light to 80 %",
            f"POST /device/ID/command: light_brightness with a transition of {FADE_MS / 1000:g} s. The cloud "
            "checks and signs it; the lamp answers at once and fades by itself. This is the duty of its PWM "
            "pin, in the board's own time:",
        )
        mark = self.lamp.mark()
        self.stage.execute(self.lamp, "light_brightness", brightness=80, transition=FADE_MS)
        self._settled(self.lamp, mark, "the lamp's pin never came to rest", FADE_MS / 1000)
        fade = drawings.fade(self.lamp.since(mark), 25)
        if fade is None or not fade.rising or fade.last < 10:
            raise DemoError("the lamp did not fade up on GPIO25", self.stage.hints(self.lamp))
        self.screen.drawing(fade.drawing)
        self._state(self.lamp, "brightness", 80)
        self.screen.fact(
            f"acknowledged; duty {fade.first:.0f} % to {fade.last:.1f} % in {fade.seconds:.2f} s and "
            f"{fade.steps} steps, never falling; the state that it reports says brightness 80"
        )
        self.screen.note(
            "The duty is less than 80 % because eyes are not linear: the light corrects for them."
        )

    def relay(self) -> None:
        self.screen.step(
            "Relay pulse",
            f"relay_pulse with a duration of {PULSE_MS} ms opens the garage: high once, and low again.",
        )
        mark = self.relays.mark()
        self.stage.execute(self.relays, "relay_pulse", duration=PULSE_MS)
        pulse = self._pulse(mark)
        self.screen.drawing(pulse.drawing)
        # The board counts whole milliseconds; how late it may be is for a busy machine to say.
        as_asked = PULSE_MS - 2 < pulse.ms < PULSE_MS + 1000
        if not as_asked or any(event["pin"] != 26 for event in self.relays.since(mark)):
            raise DemoError(f"not one pulse of {PULSE_MS} ms on GPIO26 alone", self.stage.hints(self.relays))
        self.screen.fact(f"acknowledged; GPIO26 was high for {pulse.ms:.1f} ms, GPIO27 did not move")

    def infrared(self) -> None:
        self.screen.step(
            "Infrared",
            f"ir_send_nec: the key {NEC_COMMAND:#04x} of the remote control {NEC_ADDRESS:#04x}. Marks "
            "(carrier on) are high, spaces low; a long space is a 1.",
        )
        mark = self.blaster.mark()
        self.stage.execute(self.blaster, "ir_send_nec", address=NEC_ADDRESS, command=NEC_COMMAND)
        sent = self.stage.until(
            lambda: drawings.nec(self.blaster.since(mark)), 20, "no NEC frame left the infrared LED"
        )
        self.screen.drawing(sent.drawing)
        self.screen.drawing(
            [f"bits  {drawings.bits(sent.data)}", "      address  ~address command  ~command"]
        )
        if (sent.address, sent.command) != (NEC_ADDRESS, NEC_COMMAND) or not sent.sound:
            raise DemoError(
                f"the frame says {sent.address:#04x} {sent.command:#04x}", self.stage.hints(self.blaster)
            )
        self.screen.fact(
            f"acknowledged; decoded from GPIO{sent.pin}: address {sent.address:#04x}, command "
            f"{sent.command:#04x}, complements right, carrier {sent.carrier / 1000:g} kHz"
        )

    # -- what the cloud does not let pass --------------------------------------------------------

    def wrong_parameter(self) -> None:
        self.screen.step(
            "A wrong parameter",
            "There is no brightness 300. The cloud knows the lamp's manifest and says so at once; nothing is "
            "signed.",
        )
        refused = self._refused(self.lamp, "PARAMS_INVALID", "light_brightness", brightness=300)
        self.screen.fact(f"{refused.status} {refused.code}: {refused.body['message']}")
        self.screen.fact(f"what to do: {refused.body['hint']}")
        self.screen.fact("nothing was published, no pin moved")

    def yes(self) -> None:
        stage, relays = self.stage, self.relays
        self.screen.step(
            "Somebody has to say yes",
            "A garage door is worth a question: its owner marks relay_pulse as sensitive in the relays' "
            "manifest (PUT /devices/ID/manifest), and asks for a pulse again.",
        )
        stage.set_safety(relays, "relay_pulse", "sensitive")
        asked = self._refused(relays, "CONFIRMATION_REQUIRED", "relay_pulse", duration=PULSE_MS)
        token = asked.body["dry_run_token"]
        self.screen.fact(
            f"{asked.status} {asked.code}, with a token that holds for {asked.body['expires_in']} s: nothing "
            "was published, no pin moved"
        )
        mark = relays.mark()
        command_id = stage.confirm(relays, token)
        stage.executed(relays, "relay_pulse", command_id)
        pulse = self._pulse(mark)
        self.screen.fact(
            f"POST /device/ID/command/confirm: acknowledged, GPIO26 was high for {pulse.ms:.1f} ms"
        )
        # The totals would show a second command, and the forged ones below a second pulse.
        if stage.client.confirm(relays.device_id, token) != command_id:
            raise DemoError("the same yes once more was another command", stage.hints(relays))
        self.screen.fact("the same token once more: the same command_id, and nothing is sent again")
        self.screen.note(
            "A part of your own says in its ACTIONS how sensitive it is; this mark holds until the board's "
            "next hello."
        )

    def _refused(self, board: DemoBoard, code: str, action: str, **params: object) -> Refused:
        """Ask for a command that the cloud must not take now. Raises DemoError unless it says `code`, nothing
        is published and no pin moves.
        """
        mark, sent = board.mark(), self._sent(board)
        refused = self.stage.refused(board, code, {"action": action, "params": params})
        self._unmoved(board, mark)
        if self._sent(board) != sent:
            raise DemoError(f"{action} was published to the {board.name}", self.stage.hints(board))
        return refused

    def _sent(self, board: DemoBoard) -> int:
        """Commands that were published to the board so far."""
        return len(self.stage.attacker.heard(board.device_id, "cmd", "command"))

    # -- attacks --------------------------------------------------------------------------------

    def attack(self) -> None:
        heard = self.stage.attacker.heard(self.relays.device_id, "cmd", "command")
        if not heard:
            raise DemoError("the eavesdropper heard no command", self.stage.hints())
        last = heard[-1]
        self.screen.step(
            "The garage again, please",
            "Somebody with a service's login at the broker has heard it all, has no key, and now publishes "
            "to the relays, beginning with the pulse that was just confirmed. A refused message is counted "
            "by its code and answered with nothing.",
        )
        self._begun = time.monotonic()
        self._attack("the very same bytes again", "NONCE_REUSED", last.payload)
        longer = 10 * PULSE_MS
        self._attack(
            "the pulse made longer, under a new nonce",
            "HASH_MISMATCH",
            attacker.tampered(last, duration=longer),
        )
        self._attack(
            "and with a fitting hash, number and time",
            "SIGNATURE_INVALID",
            attacker.tampered_with_care(last, duration=longer),
        )
        self._attack(
            "flawless, signed with a stranger's key", "SIGNATURE_INVALID", attacker.by_a_stranger(last)
        )
        if self.relays.board.pins()[26] != {"value": 0}:
            raise DemoError("GPIO26 of the relays is not low", self.stage.hints(self.relays))
        self.screen.drawing(drawings.still(26, self._begun, time.monotonic(), self._at))
        self.screen.note("GPIO26 over that time; the numbers are the messages.")

    def _attack(self, what: str, code: str, payload: bytes) -> None:
        board, mallory = self.relays, self.stage.attacker
        mark, before = board.mark(), board.refusals()
        answers = len(mallory.heard(board.device_id, "cmd_ack"))

        def answered() -> bool:
            return len(mallory.heard(board.device_id, "cmd_ack")) != answers

        self._at.append(time.monotonic())
        mallory.publish(f"hxtp/{board.tenant_id}/device/{board.device_id}/cmd", payload)
        refused = self.stage.until(
            lambda: board.refusals() - before or board.since(mark) or answered(),
            20,
            f"the relays did not say that they refused it ({what})",
        )
        self._unmoved(board, mark)
        if answered():
            raise DemoError(f"{what}: was answered", self.stage.hints(board))
        if list(refused) != [code]:
            raise DemoError(f"{what}: refused with {', '.join(refused)}, not {code}", self.stage.hints(board))
        self._codes[code] += 1
        self.screen.fact(f"{len(self._at)}. {what:<44}{code:<19}no pin moved, no answer")

    def still_there(self) -> None:
        self.screen.step(
            "Still there",
            "The forged messages carried numbers far ahead. None was remembered, so nobody is locked out: "
            "the owner asks for a pulse, and says yes.",
        )
        mark = self.relays.mark()
        self.stage.execute(self.relays, "relay_pulse", sure=True, duration=100)
        pulse = self._pulse(mark)
        self.screen.drawing(pulse.drawing)
        self.screen.fact(f"acknowledged; GPIO26 was high for {pulse.ms:.1f} ms")

    # -- outage ---------------------------------------------------------------------------------

    def outage(self) -> None:
        stage, dashboard = self.stage, self.stage.dashboard
        self.screen.step(
            "The network is cut, and comes back",
            "All connections to the broker break. The cloud takes two commands meanwhile: they wait in its "
            "database, and arrive, freshly signed, once everybody has found back.",
        )
        stage.broker.cut()
        lamp_mark, relay_mark = self.lamp.mark(), self.relays.mark()
        off = stage.send(self.lamp, "light_off", transition=1000)
        on = stage.send(self.relays, "relay_on", target="relay2")
        time.sleep(AWAY)
        stage.check()
        waiting = [self._get(f"/commands/{command_id}")["status"] for command_id in (off, on)]
        if waiting != ["queued", "queued"] or self.lamp.since(lamp_mark) or self.relays.since(relay_mark):
            raise DemoError("something got through although the network is cut", stage.hints())
        self.screen.fact(f"cut for {AWAY:g} s: light_off and relay_on (of relay2) are queued, no pin moved")
        told = dashboard.told.copy()
        stage.broker.restore()
        restored = time.monotonic()
        stage.executed(self.lamp, "light_off", off, 60)
        stage.executed(self.relays, "relay_on", on, 60)
        seconds = time.monotonic() - restored
        self._settled(self.lamp, lamp_mark, "the lamp's pin never came to rest", 1.0)
        fade = drawings.fade(self.lamp.since(lamp_mark), 25, self._last_duty(lamp_mark))
        if fade is None or fade.last > 0:
            raise DemoError("the lamp did not go off on GPIO25", stage.hints(self.lamp))
        self.screen.drawing(fade.drawing)
        moved = [event["pin"] for event in self.relays.since(relay_mark)]
        if moved != [27]:
            raise DemoError(f"the relays moved {moved}, not GPIO27 once", stage.hints(self.relays))
        self.screen.fact(f"both acknowledged {seconds:.1f} s after the network came back; GPIO27 is high")
        self._state(self.lamp, "light", "off")
        self._state(self.relays, "relay2", {"relay": "on"})
        for board in stage.boards.values():
            stage.until(
                lambda board=board: dashboard.told[board.device_id] > told[board.device_id],
                60,
                f"the {board.name} stayed away",
            )
        self.screen.fact("every board is back, and GET /devices/ID/state says what their pins do")

    # -- the end --------------------------------------------------------------------------------

    def totals(self) -> None:
        stage, counts = self.stage, self.stage.broker.counts
        self.screen.step("Totals", "What this account was made of; the cloud's part as GET /metrics has it:")
        commands = stage.counted("hxtp_commands", "state")
        gate = stage.counted("hxtp_gate_refusals", "code")
        if commands["acknowledged"] != len(stage.commands):
            raise DemoError(f"the cloud counts {_each(commands)}, not {len(stage.commands)}", stage.hints())
        pins = sum(len(board.since(0)) for board in stage.boards.values())
        for line in (
            f"{stage.counted('hxtp_http_requests', 'method').total()} requests; {commands['acknowledged']} "
            f"commands signed and executed; {gate.total()} not taken: {_each(gate)}",
            f"{len(self._at)} forged or replayed messages, the boards refused {self._codes.total()}: "
            f"{_each(self._codes)}",
            f"{counts.sent} messages from the broker, {stage.dashboard.told.total()} by the WebSocket; "
            f"{counts.connected} logins over TLS",
            f"{pins} pin events on {len(stage.boards)} boards ({stage.runtime})",
        ):
            self.screen.fact(line)

    # -- what steps share -----------------------------------------------------------------------

    def _get(self, path: str) -> dict:
        return self.stage.client.session.get(path)

    def _pulse(self, mark: int) -> drawings.Pulse:
        """The relays' one pulse on GPIO26 since then, once it has ended."""
        return self.stage.until(
            lambda: drawings.pulse(self.relays.since(mark), 26), 10, "GPIO26 did not go high and low again"
        )

    def _settled(self, board: DemoBoard, mark: int, otherwise: str, seconds: float) -> None:
        """Wait until its pins have moved and then rested for a moment."""
        state = {"count": 0, "at": time.monotonic()}

        def rested() -> bool:
            count = len(board.since(mark))
            if count != state["count"]:
                state["count"], state["at"] = count, time.monotonic()
            return count > 0 and time.monotonic() - state["at"] > QUIET

        self.stage.until(rested, seconds + 20, otherwise)

    def _unmoved(self, board: DemoBoard, mark: int) -> None:
        """Raise DemoError if a pin moves within a moment."""
        time.sleep(QUIET)
        self.stage.check()
        moved = board.since(mark)
        if moved:
            raise DemoError(f"GPIO{moved[0]['pin']} of the {board.name} moved", self.stage.hints(board))

    def _state(self, board: DemoBoard, member: str, wanted: object) -> None:
        """Wait until the WebSocket tells it, and see whether the API says the same."""

        def told() -> bool:
            return self.stage.dashboard.states[board.device_id].get(member) == wanted

        self.stage.until(told, 20, f"the {board.name} never reported {member} {wanted}")
        said = self.stage.client.state(board.device_id)["state"].get(member)
        if said != wanted:
            raise DemoError(f"the cloud says {member} {said} of the {board.name}", self.stage.hints(board))

    def _last_duty(self, mark: int) -> float:
        duties = [
            event["duty_u16"] * 100 / drawings.FULL
            for event in self.lamp.since(0)
            if event.n <= mark and event.ev == "pwm" and event["pin"] == 25
        ]
        return duties[-1] if duties else 0.0


def _each(codes: Counter[str]) -> str:
    return ", ".join(f"{code} ×{count}" for code, count in sorted(codes.items()))
