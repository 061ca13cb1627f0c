"""The kit's device: what a case says to a cloud under test, and what it expects to hear.

Everything that the cloud says is judged on arrival: a message that no key signed, that is stale, or whose
number is not above the last one, fails the case that hears it. Times are ms.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from host_sim.conformance.case import Failed, KitError, Skipped
from host_sim.conformance.cloud.line import Asked, Line, Outcome
from host_sim.conformance.draft import Draft, compact
from host_sim.conformance.listening import ANSWER, Heard, Listener, NoMemory
from hxtp import envelope, frame
from hxtp.session import uuid4
from hxtp.sign import Key, digest

ACTION = "conformance_set"  # what the kit's device can do
CRITICAL = "conformance_force"  # the same, for which somebody has to say yes
UNTRIED = "conformance_leap"  # such a one of which it takes no dry run
RESTART = 60000  # within this a cloud that was started again takes connections
QUIET = 1200  # how long nothing may come of what is refused
_VALUE = {"maximum": 1000000, "minimum": 0, "type": "integer"}


def manifest(description: str = "Take a number") -> bytes:
    """What the kit's device declares."""
    properties = {"target": {"enum": ["kit"], "type": "string"}, "value": _VALUE}
    entries = [
        {
            "action": action,
            "description": description,
            "id": id,
            "paramSchema": {"additionalProperties": False, "properties": properties},
            "safetyClass": safety,
            "supportsDryRun": dry_runs,
        }
        for action, id, safety, dry_runs in (
            (CRITICAL, 60001, "critical", True),
            (UNTRIED, 60002, "critical", False),
            (ACTION, 60000, "normal", False),
        )
    ]
    return compact({"capabilities": entries})


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the cloud."""

    type: str
    body: dict[str, Any]
    payload: bytes
    qos: int
    retain: bool
    at: int  # by the line's clock
    message: Any

    @property
    def id(self) -> str:
        return self.message.message_id

    @property
    def framed(self) -> bool:
        return self.message.framed

    @property
    def members(self) -> dict[str, Any]:
        return json.loads(self.payload[frame.HEADER :] if self.framed else self.payload)

    def __str__(self) -> str:
        told = json.dumps(self.body, sort_keys=True)
        return f"{self.type} {told if len(told) < 120 else told[:120] + ' …'}"


@dataclass
class Device(Listener[Said]):
    """The kit's device at one cloud. `random(n)`: n bytes."""

    line: Line
    tenant_id: str
    device_id: str
    secret: bytes = field(repr=False)
    random: Callable[[int], bytes]

    def __post_init__(self) -> None:
        self.key = Key(self.secret)
        self.number = 0  # our last
        self.heard_number = 0  # the cloud's last
        self.boot_count = self.line.now() // 1000
        self.manifest = manifest()
        self.framed = True
        self.kept = 8  # K
        self.interval = 30  # s between heartbeats, as the cloud named it
        self.said: list[Said] = []  # all that the cloud said
        self._values = 0
        self._payloads: set[bytes] = set()
        self._begin_listening()
        self._verifier = envelope.Verifier(
            frame.TO_DEVICE, [(self.key, NoMemory())], self.device_id, self.tenant_id, True
        )

    # -- what comes -----------------------------------------------------------------------------

    def _take(self, heard: Heard) -> Said | None:
        if heard.payload in self._payloads and not heard.retain:
            return None  # a copy that MQTT made
        message = self._verifier.judge(heard.payload, heard.at, heard.channel)
        if message.code:
            what = message.type or "something"
            told = f"{what} on {heard.channel} that is {message.code}"
            raise Failed("an authentic and fresh message", told)
        self._payloads.add(heard.payload)
        body = message.params()
        said = Said(message.type, body, heard.payload, heard.qos, heard.retain, heard.at, message)
        if said.message.sequence <= self.heard_number:
            number = said.message.sequence
            raise Failed(f"a number above {self.heard_number}, the cloud's last (HX3-SEQ-08)", str(number))
        self.heard_number = said.message.sequence
        self.said.append(said)
        self._inbox.append(said)
        return said

    def expect_none(self, kind: str, why: str, within: int = QUIET) -> None:
        said = self.find(lambda said: said.type == kind, within)
        if said is not None:
            raise Failed(f"no {kind} {why}", str(said))

    # -- what we say ----------------------------------------------------------------------------

    def draft(self, kind: str, body: Any, number: int | None = None) -> Draft:
        """A right message of ours; it takes our next number unless one is given. `body`: a value, or JSON
        text.
        """
        if number is None:
            self.number += 1
            number = self.number
        message_id = uuid4(self.random(16))
        fields = {
            "message_type": kind,
            "device_id": self.device_id,
            "tenant_id": self.tenant_id,
            "client_id": self.device_id,
            "message_id": message_id,
            "request_id": message_id,
            "sequence_number": number,
            "timestamp": self.line.now(),
            "nonce": self.random(16).hex(),
        }
        return Draft(self.key, fields, body if isinstance(body, bytes) else compact(body), self.framed)

    def send(self, message: Draft | bytes, channel: str | None = None) -> None:
        """On the channel of its type, or on another."""
        self._check_turn()
        if channel is None:
            assert isinstance(message, Draft)
            channel = frame.TYPES[message.fields["message_type"]][1]
        self.line.publish(channel, message if isinstance(message, bytes) else message.wire())

    def hello(self, without: tuple[str, ...] = (), number: int | None = None, **changes: Any) -> Draft:
        """A right hello with a new challenge, not sent yet, but for `changes` of its body."""
        body = {
            "boot_count": self.boot_count,
            "challenge": self.random(16).hex(),
            "device_type": "conformance",
            "features": [],
            "firmware_version": "1.0.0",
            "key_version": 1,
            "manifest_hash": digest(self.manifest).decode(),
            "reset_reason": "power",
            "results_kept": self.kept,
            **changes,
        }
        return self.draft("hello", {name: body[name] for name in body if name not in without}, number)

    def expect_hello_ack(self, hello: Draft, session: bool = True, within: int = ANSWER) -> Said:
        """The answer to this hello, and what it says of the session."""
        return self.expect_an_ack([hello], session, within)

    def expect_an_ack(self, hellos: list[Draft], session: bool = True, within: int = ANSWER) -> Said:
        """The answer to one of these hellos, whichever the cloud, or one of its workers, looked at first."""
        challenges = [json.loads(hello.body or b"{}").get("challenge") for hello in hellos]
        said = self.find(
            lambda said: said.type == "hello_ack" and said.body.get("challenge") in challenges, within
        )
        if said is None:
            raise Failed(f"a hello_ack with the challenge within {within / 1000:g} s", self.heard())
        if said.body.get("session") is not session:
            raise Failed(f"session {json.dumps(session)}", str(said))
        return said

    def begin(self, **changes: Any) -> Said:
        """Say hello, hear its answer, send the manifest where it is wanted, and the state."""
        hello = self.hello(**changes)
        self.send(hello)
        said = self.expect_hello_ack(hello)
        interval = said.body.get("heartbeat_interval")
        self.interval = interval if isinstance(interval, int) else 30
        if said.body.get("manifest_wanted") is True:
            self.send(self.draft("manifest", self.manifest))
        self.send(self.draft("state", {"value": 0}))
        return said

    def reconnect(self) -> None:
        """A new connection, without a hello yet."""
        self.line.disconnect()
        self.line.connect()

    def restart_cloud(self) -> None:
        """End the cloud and start it again; then a session with what it still knows."""
        self.line.disconnect()
        try:
            self.line.restart()
        except Skipped:  # the next case wants to find us there
            self.line.connect()
            self.begin()
            self.settle_all()
            raise
        self.forget()
        until = self.line.now() + RESTART
        while True:
            try:
                self.line.connect()
                break
            except KitError:
                if self.line.now() >= until:
                    raise
                self.line.receive(self.line.now() + 250)
        self.begin()

    def meet(self) -> None:
        """The first session: a cloud that knows us from before is asked for the numbers. Raises KitError."""
        try:
            self.line.connect()
            hello = self.hello()
            self.send(hello)
            said = self.find(lambda said: said.type == "hello_ack")
            if said is None:
                raise KitError(
                    "the cloud does not answer hello: does it run, and know this device by this secret?"
                )
            if said.body.get("session") is not True:
                last = said.body.get("last_device_sequence")
                self.number = max(self.number, last) if isinstance(last, int) else self.number
            self.begin()
        except Failed as failed:
            raise KitError(f"there is no session with the cloud: {failed}") from None
        self.settle_all()

    def settle_all(self) -> None:
        """End what the cloud still has to send from before, by a nack each."""
        while (said := self.find(lambda said: said.type == "command", 300)) is not None:
            self.nack(said, "INTERNAL_ERROR")

    # -- commands -------------------------------------------------------------------------------

    def ask(self) -> tuple[Asked, int]:
        """Make the cloud send our action with a value that no other command has."""
        value = self.new_value()
        return self.line.ask(ACTION, {"value": value}), value

    def new_value(self) -> int:
        """A value that no command of ours had."""
        self._check_turn()
        self._values += 1
        return self._values

    def expect_command(self, value: int, within: int = ANSWER) -> Said:
        """The command with this value."""
        said = self.find(lambda said: said.type == "command" and said.body.get("value") == value, within)
        if said is None:
            raise Failed(f"the command within {within / 1000:g} s", self.heard())
        return said

    def ack(self, command: Said, number: int | None = None, **changes: Any) -> Draft:
        """The ack of a command, not sent yet."""
        body = {"ack_status": "executed", "ref_message_id": command.id, **changes}
        return self.draft("ack", body, number)

    def executed(self, command: Said) -> None:
        self.send(self.ack(command))

    def nack(self, command: Said, error: str) -> None:
        self.send(self.ack(command, ack_status="failed", error=error))

    def expect_outcome(self, asked: Asked, executed: bool, text: str = "", within: int = ANSWER) -> Outcome:
        """What the cloud says became of it."""
        until = self.line.now() + within
        while (outcome := asked.outcome()) is None and self.line.now() < until:
            self.wait(50)
        if outcome is None:
            raise Failed(f"the command to be settled within {within / 1000:g} s", "nothing of the kind")
        if outcome.executed != executed or text not in outcome.text:
            wanted = "executed" if executed else f"failed {text}"
            raise Failed(f"the cloud to call the command {wanted}", repr(outcome.text[:200]))
        return outcome

    def expect_unsettled(self, asked: Asked, why: str, within: int = QUIET) -> None:
        self.wait(within)
        outcome = asked.outcome()
        if outcome is not None:
            raise Failed(f"the command to stay unsettled {why}", repr(outcome.text[:200]))

    # -- what the cloud took --------------------------------------------------------------------

    def expect_not_taken(self, what: str) -> None:
        """A barrier: hello anew. The cloud's last_device_sequence is this hello's number, so it took no
        higher one.
        """
        hello = self.hello()
        self.send(hello)
        said = self.expect_hello_ack(hello)
        last = said.body.get("last_device_sequence")
        if last != hello.number:
            raise Failed(f"{what} to take no number: last_device_sequence {hello.number}", repr(last))
