"""The kit's cloud: what a case says to a device under test, and what it expects to hear.

Everything that the device says is judged on arrival: a message that no key signed, or a number used twice,
fails the case that hears it. The kit must never send, of its own accord, what would move a part: it probes
with an unknown action. Times are ms.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from host_sim.conformance.case import Failed, KitError, Skipped
from host_sim.conformance.device.effect import NOTHING, UNKNOWN, Call, Effect, choose
from host_sim.conformance.device.line import Line
from host_sim.conformance.device.record import Record, Said
from host_sim.conformance.draft import Draft, compact
from host_sim.conformance.listening import ANSWER, Heard, Listener
from hxtp.session import uuid4
from hxtp.sign import Key

SETTLE = 300  # after the probe's answer, until nothing more can come of what was refused
PATIENCE = 120000  # for a device that is to connect


@dataclass
class Cloud(Listener[Said]):
    """One device under test, as its cloud sees it. `random(n)`: n bytes."""

    line: Line
    tenant_id: str
    device_id: str
    key: Key = field(repr=False)
    random: Callable[[int], bytes]
    settle: int = SETTLE
    patience: int = PATIENCE

    def __post_init__(self) -> None:
        self.record = Record(self.tenant_id, self.device_id, self.key)
        self.ahead = 0  # of the line's clock: what this cloud takes for the time
        self.sent = 1000  # our last number
        self.session = False
        self.attempt: Said | None = None  # the last hello, as long as it is unanswered
        self.hello_said: Said | None = None  # the last hello of all
        self.manifest: dict[str, Any] = {}
        self.state: dict[str, Any] = {}
        self.effect: Effect = NOTHING
        self.shown: tuple[str, ...] = ()  # members of the state that show the effect
        self.manual = False  # the case answers hellos itself
        self.framed = True
        self._done: dict[str, Any] = {}  # what they are then
        self._missed = 0  # how often in a row it did not come back
        self._begin_listening()

    def heard(self) -> str:
        """What lies in the inbox, and what its broker knows of why no more does."""
        why = self.line.hint()
        return f"{super().heard()}; {why}" if why else super().heard()

    # -- time, and what comes -------------------------------------------------------------------

    def now(self) -> int:
        """What this cloud takes for the time."""
        return self.line.now() + self.ahead

    def _take(self, heard: Heard) -> Said | None:
        # A hello that no case asked for is answered, since a device may renew its session at any time.
        said = self.record.take(heard, self.now())
        if said is None:
            return None
        if said.type == "hello":
            renewing = self.session and not self.manual
            self.attempt = self.hello_said = said
            self.session = False
            if renewing:
                self.answer(said)
                return said
        elif said.type == "state":
            self.state = said.body
        elif said.type == "manifest":
            self.manifest = said.body
        elif said.type == "will":
            self.session = False
        self._inbox.append(said)
        return said

    # -- session --------------------------------------------------------------------------------

    def hello(self) -> Said:
        """A hello that nobody answered: the one that waits, or that of a connection made anew. From here on
        the case answers."""
        self.manual = True
        said = self.attempt
        if said is None or self.line.now() - self.record.first_of(said).at > 45000:
            return self.reconnect()
        return said

    def reconnect(self) -> Said:
        """Drop the connection; the first hello of the next one."""
        self.leave()
        return self.come()

    def leave(self) -> None:
        """Drop the connection. From here on the case answers hellos."""
        self.manual = True
        self.session = False
        self.attempt = None
        self.wait(0)
        self.forget()
        self.line.drop()

    def reset(self) -> Said:
        """Power the device off and on; the first hello of its next boot."""
        self.manual = True
        self.session = False
        self.attempt = None
        self.wait(0)
        self.forget()
        self.line.reset()
        return self.come()

    def come(self) -> Said:
        """The hello of a device that is on its way. One that stays away twice in a row ends the run."""
        said = self.find(lambda said: said.type == "hello", self.patience)
        if said is None:
            self._missed += 1
            if self._missed > 1:
                raise KitError(f"the device does not come back: {self.line.trouble() or 'nothing is heard'}")
            raise Failed(f"a hello within {self.patience / 1000:g} s of the connection's end", self.heard())
        self._missed = 0
        number = said.message.sequence  # what is below belongs to the connection before
        self._inbox = [each for each in self._inbox if each.message and each.message.sequence > number]
        return said

    def hello_ack(self, hello: Said, without: tuple[str, ...] = (), **changes: Any) -> Draft:
        """The right answer to a hello, numbered, but for `changes` of its body."""
        draft = self.draft("hello_ack", None)
        body = {
            "challenge": hello.body.get("challenge"),
            "features": [],
            "heartbeat_interval": 30,
            "last_cloud_sequence": draft.number,
            "last_device_sequence": hello.message.sequence,
            "limits": {"future_s": 60, "max_age_s": 300},
            "manifest_wanted": False,
            "ref_message_id": hello.message.message_id,
            "server_time": self.now(),
            "session": True,
            **changes,
        }
        text = compact({name: value for name, value in body.items() if name not in without})
        return Draft(self.key, draft.fields, text, hello.framed)

    def answer(self, hello: Said, framed: bool | None = None, **changes: Any) -> Draft:
        """Answer a hello as a cloud does, in its form or in the other; `changes` of the body, of which
        `session` decides what follows."""
        draft = self.hello_ack(hello, **changes)
        if framed is not None:
            draft = draft.in_form(framed)
        self.send(draft)
        self.attempt = None
        self.session = changes.get("session", True) is True
        self.framed = draft.framed
        return draft

    def begin(self, hello: Said | None = None, **changes: Any) -> Draft:
        """Begin a session, and wait for the state that a device tells then."""
        draft = self.answer(hello or self.hello(), **changes)
        self.expect("state")
        self.manual = False
        return draft

    def ready(self) -> None:
        """See to it that there is a session and nothing is left over from before."""
        self.wait(0)
        if not self.session:
            self.begin()
        self.manual = False
        self.forget()

    # -- messages of ours -----------------------------------------------------------------------

    def draft(self, kind: str, body: bytes | None, number: int | None = None) -> Draft:
        """A right message of ours; it takes our next number unless one is given."""
        if number is None:
            self.sent += 1
            number = self.sent
        message_id = uuid4(self.random(16))
        fields = {
            "message_type": kind,
            "device_id": self.device_id,
            "tenant_id": self.tenant_id,
            "client_id": "hxtp-conformance",
            "message_id": message_id,
            "request_id": message_id,
            "sequence_number": number,
            "timestamp": self.now(),
            "nonce": self.random(16).hex(),
        }
        return Draft(self.key, fields, body, self.framed)

    def command(self, call: Call | None = None, number: int | None = None) -> Draft:
        """A right command, not sent yet: by default the one whose effect would show."""
        action, params = call or self.effect.do
        draft = self.draft("command", compact({**params, "action": action}), number)
        return draft.signing(action=action)

    def send(self, message: Draft | bytes, channel: str = "cmd") -> None:
        self._check_turn()
        self.line.publish(channel, message if isinstance(message, bytes) else message.wire())

    def again(self, draft: Draft) -> Draft:
        """The same command signed again: message_id and body stay, number, nonce and time are new."""
        fresh = self.draft("command", draft.body).fields
        names = ("sequence_number", "nonce", "timestamp")
        return draft.signing(**{name: fresh[name] for name in names})

    # -- what has to come of them ---------------------------------------------------------------

    def expect_ack(self, draft: Draft, status: str = "executed", error: str | None = None) -> Said:
        """The ack of a command, with this status and this error."""
        said = self.find(lambda said: said.ref == draft.message_id)
        wanted = status if error is None else f"{status} with {error}"
        if said is None:
            raise Failed(f"an ack of the command within {ANSWER / 1000:g} s", self.heard())
        came = said.body.get("ack_status")
        if came != status or said.body.get("error") != error:
            raise Failed(f"the ack to say {wanted}", compact(said.body).decode())
        return said

    def run(self, call: Call) -> Said:
        """Send a command and wait until it is executed."""
        draft = self.command(call)
        self.send(draft)
        return self.expect_ack(draft)

    def probe(self) -> None:
        """A barrier: a right command with an unknown action. Its nack comes after whatever came of what was
        sent before, since a device takes messages in their order."""
        draft = self.command(Call(UNKNOWN, {}))
        self.send(draft)
        said = self.find(lambda said: said.ref == draft.message_id)
        if said is None:
            raise Failed("the answer to a right command that follows", self.heard())

    def expect_silence(self, what: str) -> None:
        """Nothing came of what was sent before: no ack, no error, no change of the state, and the device
        serves on.
        """
        self.probe()
        self.wait(self.settle)
        answers = [said for said in self._inbox if said.channel == "cmd_ack"]
        if answers:
            raise Failed(f"{what} to be refused in silence", str(answers[0]))
        if self.shows():
            raise Failed(
                f"{what} to move nothing", f"a state that shows its effect: {compact(self.view()).decode()}"
            )

    def expect_refused(self, what: str, message: Draft | bytes, channel: str = "cmd") -> None:
        """Send a message of which nothing may come."""
        self.send(message, channel)
        self.expect_silence(what)

    # -- effects --------------------------------------------------------------------------------

    def view(self) -> dict[str, Any]:
        """The members of the state in which the effect shows."""
        return {name: self.state.get(name) for name in self.shown}

    def shows(self) -> bool:
        """Whether the last state shows the effect of `effect.do`."""
        return bool(self.shown) and self.view() == self._done

    def expect_shown(self, shown: bool) -> None:
        """Wait until the state tells that the effect is there, or is not."""
        until = self.line.now() + ANSWER
        while self.shows() != shown:
            if self.hear(until) is None:
                there = (
                    "a state that shows the command's effect"
                    if shown
                    else "a state without the command's effect"
                )
                raise Failed(there, f"{compact(self.view()).decode()} as the last one")

    def at_rest(self) -> None:
        """A session, and the effect undone, so that it would show."""
        self.ready()
        if self.shows():
            self.run(self.effect.undo)
            self.expect_shown(False)
        self.forget()

    def need_effect(self) -> None:
        """For cases that have to see what ran: raises Skipped where no action shows it."""
        self.at_rest()
        if not self.shown:
            raise Skipped("no action found whose effect the state shows: name one with --action")

    def learn(self, named: str | None) -> None:
        """Choose the action by the manifest, and find out how the state tells of it. Begins in a session."""
        self.effect = choose(self.manifest, named)
        if self.effect == NOTHING:
            return
        if not self.effect.toggles:
            self.run(self.effect.undo)
            self.wait(self.settle)
        before = self.state
        self.run(self.effect.do)
        until = self.line.now() + ANSWER
        while self.state == before and self.hear(until):
            pass
        self.shown = tuple(sorted(name for name in self.state if self.state[name] != before.get(name)))
        self._done = self.view()
        if named is not None and not self.shown:
            raise KitError(
                f"--action {named!r}: the state does not show whether it ran; choose another, or none"
            )
