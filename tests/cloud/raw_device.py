"""A device without a Session, and turns over it in virtual time: for tests of what the exchange does."""

import hashlib
import json
import uuid

from host_sim.cloud.exchange.inbox import Arrivals
from host_sim.cloud.exchange.turn import Turn
from host_sim.cloud.exchange.work import Look
from host_sim.cloud.gate.recheck import refusal
from host_sim.cloud.links.orders import Acceptance, NewOrder
from host_sim.cloud.security.vault import Vault
from host_sim.profiles import PROFILES
from hxtp.sign import Key

NOW = 1767225600000
VAULT = Vault([b"\xab" * 32])


def capability(action, safety="normal", dry_run=False, id=1, **properties):
    schema = {"additionalProperties": False, "properties": properties}
    return {
        "action": action,
        "description": "",
        "id": id,
        "paramSchema": schema,
        "safetyClass": safety,
        "supportsDryRun": dry_run,
    }


def manifest(*capabilities):
    return {"capabilities": list(capabilities)}


def text_of(body):
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def hash_of(body):
    return hashlib.sha256(text_of(body).encode()).hexdigest()


class RawDevice:
    """`made`: what `devices.register` gave. Its methods give work for `Worker.turn`."""

    def __init__(self, made):
        self.id, self.tenant_id = made.device_id, made.tenant_id
        self.boot = 1
        self._key = Key(made.secret)
        self._number = 0

    def say(self, kind, body, at, channel=None):
        self._number += 1
        message_id = str(uuid.UUID(int=self._number + (4 << 76) + (8 << 60)))
        fields = {
            "message_type": kind,
            "device_id": self.id,
            "tenant_id": self.tenant_id,
            "client_id": self.id,
            "message_id": message_id,
            "request_id": message_id,
            "sequence_number": self._number,
            "timestamp": at,
            "nonce": f"{self._number:032x}",
        }
        payload = PROFILES["pipe10"].build(self._key, fields, text_of(body).encode(), False)
        return Arrivals(self.tenant_id, self.id, [(channel or kind, payload)])

    def hello(self, body, at):
        """Names the manifest whose body that is."""
        told = {
            "challenge": "ab" * 16,
            "boot_count": self.boot,
            "results_kept": 8,
            "manifest_hash": hash_of(body),
        }
        return self.say("hello", told, at)

    def ack(self, message_id, at):
        return self.say("ack", {"ack_status": "executed", "ref_message_id": message_id}, at, "cmd_ack")

    def order(self, action="go", life=60000, passed_as="normal", judged_by=None, dry_run=False, **params):
        """`judged_by`: the body of the manifest that the gate went by."""
        future = Acceptance(str(uuid.uuid4()))
        told = None if judged_by is None else hash_of(judged_by)
        return NewOrder(
            self.tenant_id, self.id, action, params, life, "test", dry_run, future.message_id, False, future,
            passed_as, told,
        )  # fmt: skip

    def look(self):
        return Look(self.tenant_id, self.id)


class Worker:
    """The exchange of one worker, as far as turns go."""

    def __init__(self, database):
        self.notices = []
        self._database = database
        self._turn = Turn(VAULT, database.see, refusal, 30, 0)

    def forget(self):
        """As where the clock was put back."""
        self._turn.cache.clear()

    def turn(self, *work, now):
        """What left by it, as dicts."""
        with self._database.turning() as connection:
            outcome = self._turn.run(connection, list(work), now, True)
        outcome.answer()
        self.notices += outcome.notices
        return [json.loads(payload) for _, payload in outcome.messages]
