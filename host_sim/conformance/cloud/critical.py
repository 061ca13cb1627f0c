"""Critical actions as somebody asks a cloud for them, while the kit's device answers its dry runs.

It must never decide what a device says: that is for the cases. Times are ms.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from host_sim.conformance.case import Failed, KitError, Skipped
from host_sim.conformance.cloud.device import ACTION, CRITICAL, Device, Said
from host_sim.conformance.cloud.line import Answer
from host_sim.conformance.listening import ANSWER

EARLY_S = 2.0  # for so long a manifest may be on its way
EARLY = (400, 404)  # what a cloud answers before it came
NO_SUCH_PATH = (404, 405, 501)
DECIDED = 20000  # within this a cloud has given up a silent device
PAUSE = 600  # in which a cloud that does not wait for the device has answered
SHORTLY = 300  # for what was published at once, and comes late
LIMITED = Skipped(
    "the cloud limits such commands: let a device take 20 critical ones an hour that somebody said yes to "
    "(the reference: critical_per_hour)"
)
TOKENS = ("dry_run_token", "token")


@dataclass(frozen=True)
class Told:
    """What the cloud says to who asked."""

    answer: Answer

    @property
    def members(self) -> dict[str, Any]:
        try:
            found = json.loads(self.answer.body)
        except (ValueError, RecursionError):
            return {}
        if isinstance(found, dict) and isinstance(found.get("results"), list) and found["results"]:
            found = found["results"][0]
        return found if isinstance(found, dict) else {}

    @property
    def token(self) -> str | None:
        """By which it can be confirmed."""
        found = [self.members.get(name) for name in TOKENS]
        return next((one for one in found if isinstance(one, str) and one), None)

    @property
    def early(self) -> bool:
        """Whether the manifest may be on its way to the cloud."""
        return self.answer.status in EARLY or self.members.get("code") == "MANIFEST_NOT_FOUND"

    def __str__(self) -> str:
        hidden = {name: value for name, value in self.members.items() if name not in TOKENS}
        given = "a token, " if self.token else ""
        return f"{self.answer.status}, {given}{json.dumps(hidden, sort_keys=True)[:200]}"


class Wish:
    """Somebody waits for the cloud's answer, while the device goes on. `value`: the command's parameter."""

    def __init__(self, ask: Callable[[], Answer], value: int) -> None:
        self.value = value
        self._ask = ask
        self._told: Told | None = None
        self._trouble: Exception | None = None
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        until = time.monotonic() + EARLY_S
        try:
            while (told := Told(self._ask())).early and time.monotonic() < until:
                time.sleep(0.25)
            self._told = told
        except (KitError, Skipped) as trouble:
            self._trouble = trouble

    def told(self) -> Told | None:
        """None while the cloud has not answered. Raises KitError, Skipped."""
        if self._trouble is not None:
            raise self._trouble
        return self._told


class Critical:
    """The wishes of somebody with a token, for the kit's device. Raises Skipped where the kit has none."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._api = device.line.api()
        # A sign of life: what is asked for while the device is taken for offline may wait (HX3-CMD-33).
        device.send(device.draft("heartbeat", {}))

    def ask(self, action: str = CRITICAL, many: bool = False) -> Wish:
        """Ask for the action with a value of its own. `many`: as for several devices."""
        value, name = self._device.new_value(), self._device.device_id
        path = "/devices/command" if many else f"/device/{name}/command"
        body: dict[str, Any] = {"action": action, "params": {"value": value}}
        if many:
            body["device_ids"] = [name]
        return Wish(lambda: self._post(path, body), value)

    def _post(self, path: str, body: Mapping[str, Any]) -> Answer:
        answer = self._api.as_user("POST", path, body)
        if answer.status == 429:
            raise LIMITED
        return answer

    def told(self, wish: Wish, within: int = DECIDED) -> Told:
        """What the cloud answers."""
        until = self._device.line.now() + within
        while (told := wish.told()) is None and self._device.line.now() < until:
            self._device.wait(50)
        if told is None:
            raise Failed(f"an answer to who asked within {within / 1000:g} s", "none")
        return told

    def confirm(self, token: str, device_id: str | None = None, **more: Any) -> Answer:
        path = f"/device/{device_id or self._device.device_id}/command/confirm"
        return self._post(path, {"dry_run_token": token, **more})

    def find(self, wish: Wish) -> Said | None:
        """What comes to the device of it first, or None when who asked is answered and nothing came."""
        device = self._device

        def of_it(said: Said) -> bool:
            return said.type == "command" and said.body.get("value") == wish.value

        until = device.line.now() + ANSWER
        while wish.told() is None and device.line.now() < until:
            if (said := device.find(of_it, PAUSE)) is not None:
                return said
        return device.find(of_it, SHORTLY)

    # -- what is expected -----------------------------------------------------------------------

    def expect_dry_run(self, wish: Wish, action: str = CRITICAL) -> Said:
        """The dry run of what was wished, and nothing else."""
        said = self.find(wish)
        if said is None:
            told = wish.told()
            why = self._device.heard() if told is None else f"the answer {told}"
            raise Failed("a dry run before all else", why)
        if said.body != {"action": action, "dry_run": True, "value": wish.value}:
            raise Failed('the dry run of the command, "dry_run":true beside what was asked for', str(said))
        return said

    def tried(self, said: Said) -> None:
        """The device says that it would take this."""
        self._device.send(self._device.ack(said, ack_status="dry_run"))

    def expect_token(self, wish: Wish) -> str:
        told = self.told(wish)
        if told.token is None:
            raise Failed("a token to confirm it by", str(told))
        return told.token

    def token(self, action: str = CRITICAL) -> tuple[str, Wish]:
        """Ask, have the device take the dry run, and be given a token."""
        wish = self.ask(action)
        self.tried(self.expect_dry_run(wish, action))
        return self.expect_token(wish), wish

    def expect_no_token(self, wish: Wish, why: str) -> Told:
        """The cloud says no, and sends nothing."""
        told = self.told(wish)
        if told.token is not None or told.members.get("success") is True:
            raise Failed(f"no token {why}", str(told))
        self.expect_not_sent(wish, why)
        return told

    def expect_not_sent(self, wish: Wish, why: str) -> None:
        """A command that is asked for now comes, and what was wished did not. What comes of it is taken."""
        device = self._device
        _, value = device.ask()
        device.executed(device.expect_command(value))
        device.wait(SHORTLY)
        for said in device.inbox("command"):
            if said.body.get("value") == wish.value and said.body.get("dry_run") is not True:
                raise Failed(f"nothing to be sent for good {why}", str(said))

    def expect_confirmed(self, token: str, wish: Wish, action: str = CRITICAL) -> None:
        """A yes to the token has the command sent, as it was tried; the device executes it."""
        self.expect_sent(self.confirm(token), wish, action)

    def expect_sent(self, answer: Answer, wish: Wish, action: str = CRITICAL) -> None:
        """`answer`: to a yes."""
        id = Told(answer).members.get("command_id")
        if answer.status // 100 != 2 or not isinstance(id, str):
            raise Failed("the yes to be taken, and the command_id of what is sent", str(Told(answer)))
        device = self._device
        said = device.find(lambda said: said.type == "command" and said.body.get("action") != ACTION, ANSWER)
        if said is None or said.body != {"action": action, "value": wish.value}:
            came = device.heard() if said is None else str(said)
            raise Failed(f"the command as it was tried, with the value {wish.value}", came)
        device.executed(said)
        device.expect_outcome(self._api.follow(id), True)

    def expect_not_confirmed(self, token: str, wish: Wish, what: str, device_id: str | None = None) -> None:
        """A yes that counts for nothing."""
        answer = self.confirm(token, device_id)
        if not 400 <= answer.status < 500:
            raise Failed(f"{what} to be refused", str(Told(answer)))
        self.expect_not_sent(wish, f"by {what}")
