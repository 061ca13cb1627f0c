"""The gate: what a command has to pass before it is signed, in this order, whoever asks and however.

    role, scope and rate limit (access) → device → manifest → action → parameters → safety class → order

A critical command that nobody has said yes to becomes a dry run first (`trials`). Must never pass what the
device's own manifest does not list, nor tell a tenant of another's devices.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from starlette.concurrency import run_in_threadpool

from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import commands
from host_sim.cloud.catalogue.targets import Targets
from host_sim.cloud.errors import ApiError, conflict, not_found
from host_sim.cloud.exchange.exchange import Exchange
from host_sim.cloud.exchange.orders import Acceptance, IdUsed, Unavailable
from host_sim.cloud.gate.judge import Asked, Passed, judge
from host_sim.cloud.gate.quota import Quota
from host_sim.cloud.gate.trials import Trial, Trials
from host_sim.cloud.security import hashing
from host_sim.cloud.storage.database import Database
from hxtp.cloud import LIFE
from hxtp.errors import BUFFER_OVERFLOW, DEVICE_NOT_FOUND, HxtpError

CONFIRM_MS = 30000  # for a sensitive command
DRY_RUN_MS = 60000  # for a critical one
ACCEPT_S = 20  # that an order may take to become durable
ASKS = {"sensitive": "confirmation_required", "critical": "dry_run_required"}
STEPS = (
    "authentication",
    "tenant",
    "role_and_scope",
    "rate_limit",
    "manifest",
    "parameters",
    "safety_class",
    "dry_run",
    "signed",
)
_NAMESPACE = uuid.UUID("0f1c3c8a-9f0d-5b7e-8b53-5f5b8d1f3a10")  # of the ids that an Idempotency-Key makes


@dataclass(slots=True)
class _Asking:
    """A command that somebody has to say yes to. `trial`: of its device, or why there could be none."""

    passed: Passed
    life: int | None
    trial: Trial | ApiError | None = None

    @property
    def tries(self) -> bool:
        """Whether the device is asked first (HX3-MAN-10, HX3-CMD-31)."""
        return self.passed.safety == "critical" and self.passed.dry_runs


class Gate:
    """Commands of callers, through to the exchange."""

    def __init__(self, database: Database, exchange: Exchange, quota: Quota) -> None:
        self._database = database
        self._exchange = exchange
        self._quota = quota
        self._targets = Targets(database)
        self._trials = Trials(database, exchange)
        self.refused: Callable[[str], None] = _nobody  # is told the code of every refusal

    def command(self, caller: Caller, device_id: str, asked: Asked) -> str:
        """The message id of the accepted command. Raises ApiError; 409 with a token where a yes is needed."""
        with self._told():
            passed = self._pass(caller, device_id, asked)
            if not asked.dry_run and passed.safety in ASKS:
                asking = _Asking(passed, asked.life)
                self._try(caller, [asking])
                self._ask(caller, asking)
            self._quota.take(device_id, passed.action)
            return _result(self._submit(caller, passed, asked))

    async def accept(self, caller: Caller, device_id: str, asked: Asked) -> str:
        """As `command`, on an event loop: a thread is taken only where the database has to be asked."""
        target = self._targets.known(caller.tenant_id, device_id)
        if due := self._targets.due(caller.tenant_id):
            asyncio.get_running_loop().run_in_executor(None, self._targets.renew, caller.tenant_id, due)
        with self._told():
            if target is None:
                passed = await run_in_threadpool(self._pass, caller, device_id, asked)
            else:
                passed = judge(target, device_id, asked)
            if not asked.dry_run and passed.safety in ASKS:
                asking = _Asking(passed, asked.life)
                if asking.tries:
                    asking.trial = self._begin(caller, passed)
                    await self._trials.ended(asking.trial)
                await run_in_threadpool(self._ask, caller, asking)
            if self._quota.waits:
                await run_in_threadpool(self._quota.take, device_id, passed.action)
            else:
                self._quota.take(device_id, passed.action)
        future = self._submit(caller, passed, asked)
        await _done(future)
        with self._told():
            return _result(future, 0)

    def many(self, caller: Caller, device_ids: list[str], asked: Asked) -> list[dict[str, Any]]:
        """The same command for several devices: what became of each, in their order. Nothing is raised."""
        return self.each(caller, [(device_id, asked) for device_id in device_ids])

    def each(self, caller: Caller, wanted: list[tuple[str, Asked]]) -> list[dict[str, Any]]:
        """A command for each device: what became of each, in their order. Nothing is raised."""
        begun: list[tuple[str, Acceptance | _Asking | ApiError]] = []
        known = self._targets.read(caller.tenant_id, [device_id for device_id, _ in wanted])
        for device_id, asked in wanted:
            try:
                passed = judge(known.get(device_id), device_id, asked)
                if not asked.dry_run and passed.safety in ASKS:
                    begun.append((device_id, _Asking(passed, asked.life)))
                else:
                    self._quota.take(device_id, passed.action)
                    begun.append((device_id, self._submit(caller, passed, asked)))
            except ApiError as error:
                begun.append((device_id, error))
        self._try(caller, [one for _, one in begun if isinstance(one, _Asking)])
        results = []
        for device_id, one in begun:
            try:
                with self._told():
                    if isinstance(one, ApiError):
                        raise one
                    if isinstance(one, _Asking):
                        self._ask(caller, one)
                    message_id = _result(one)
                told = {"success": True, "command_id": message_id, "message_id": message_id}
            except ApiError as error:
                told = {"success": False, "error": error.message, "code": error.code, **error.more}
            results.append({"device_id": device_id, **told})
        return results

    def able(self, caller: Caller, device_ids: list[str], action: str) -> list[str]:
        """Those of the devices whose manifest has the action."""
        known = self._targets.read(caller.tenant_id, device_ids)
        return [name for name in device_ids if name in known and known[name].has(action)]

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except ApiError as error:
            self.refused(error.code)
            raise

    def confirm(self, caller: Caller, device_id: str, token: str) -> str:
        """The message id of the command that waited for this yes. Raises ApiError."""
        with self._told():
            return self._confirm(caller, device_id, token)

    def _confirm(self, caller: Caller, device_id: str, token: str) -> str:
        now = self._exchange.now()
        with self._database.writing(caller.tenant_id) as connection:
            row = commands.take_confirmation(
                connection, caller.tenant_id, device_id, caller.user.id, hashing.digest(token), now
            )
        if row is None:
            raise ApiError(
                404, "NOT_FOUND", "this token waits for nothing", "it was used, has expired, or is another's"
            )
        asked = Asked(row.action, row.params, ttl_s=row.life and row.life / 1000, coerce=False)
        passed = self._pass(caller, device_id, asked)
        if passed.safety == "critical" and row.kind != ASKS["critical"]:
            # It was sensitive when this yes was asked for, and is not any more.
            asking = _Asking(passed, asked.life)
            self._try(caller, [asking])
            self._ask(caller, asking)
        self._quota.confirmed(device_id, passed.safety)
        self._quota.take(device_id, passed.action)
        return _result(self._submit(caller, passed, asked))

    # -- the steps ----------------------------------------------------------------------------------------

    def _pass(self, caller: Caller, device_id: str, asked: Asked) -> Passed:
        known = self._targets.read(caller.tenant_id, [device_id])
        return judge(known.get(device_id), device_id, asked)

    def _try(self, caller: Caller, asked: Sequence[_Asking]) -> None:
        """Let the devices have their say first, where a command is critical and its device can."""
        able = [one for one in asked if one.tries]
        if not able:
            return
        try:
            with self._trials.thread(caller.tenant_id):
                trials = [self._begin(caller, one.passed) for one in able]
                self._trials.wait(trials)
        except ApiError as refusal:
            for one in able:
                one.trial = refusal
            return
        for one, trial in zip(able, trials, strict=True):
            one.trial = trial

    def _begin(self, caller: Caller, passed: Passed) -> Trial:
        return self._trials.begin(caller, passed.device_id, passed.action, passed.params)

    def _ask(self, caller: Caller, asking: _Asking) -> NoReturn:
        """Raises ApiError: by which token it has to be confirmed, or what is in the way of that."""
        passed, trial = asking.passed, asking.trial
        status = ASKS[passed.safety]
        text, more = f"{passed.action} is {passed.safety}: somebody has to say yes", {}
        if isinstance(trial, ApiError):
            raise trial
        if trial is not None:
            _result(trial.accepted, 0)
            trial.judge()
            more = {"dry_run": "taken", "dry_run_id": trial.command_id}
        elif passed.safety == "critical":
            text += "; the device was not asked, for it takes no dry run of this"
            more = {"dry_run": "not_supported"}
        token, now = hashing.token(), self._exchange.now()
        life = CONFIRM_MS if passed.safety == "sensitive" else DRY_RUN_MS
        with self._database.writing(caller.tenant_id) as connection:
            commands.add_confirmation(
                connection,
                caller.tenant_id,
                passed.device_id,
                caller.user.id,
                hashing.digest(token),
                (status, passed.action, passed.params, asking.life),
                now,
                now + life,
            )
        raise ApiError(
            409,
            "DRY_RUN_REQUIRED" if passed.safety == "critical" else "CONFIRMATION_REQUIRED",
            text,
            f"within {life // 1000} s: POST /device/ID/command/confirm with this dry_run_token",
            status=status,
            reason=f"{passed.safety.capitalize()} action requires confirmation",
            dry_run_token=token,
            token=token,
            expires_in=life // 1000,
            **more,
        )

    def _submit(self, caller: Caller, passed: Passed, asked: Asked) -> Acceptance:
        message_id = None
        if asked.key is not None:
            name = f"{caller.tenant_id}|{caller.user.id}|{asked.key}|{passed.device_id}"
            message_id = str(uuid.uuid5(_NAMESPACE, name))
        return self._exchange.order(
            caller.tenant_id,
            passed.device_id,
            passed.action,
            passed.params,
            life=asked.life or LIFE,
            actor=caller.actor,
            dry_run=asked.dry_run,
            message_id=message_id,
        )


def _nobody(code: str) -> None:
    """Nobody wants to know of a refusal."""


async def _done(future: Acceptance) -> None:
    """Wait on an event loop, as long as an order may take."""
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()

    def tell() -> None:
        if not waiter.done():
            waiter.set_result(None)

    future.add_done_callback(lambda unused: loop.call_soon_threadsafe(tell))
    timer = loop.call_later(ACCEPT_S, tell)
    try:
        await waiter
    finally:
        timer.cancel()


def _result(order: Acceptance, timeout: float = ACCEPT_S) -> str:
    """The id of a command that is stored now; any other is withdrawn. Raises ApiError."""
    try:
        return order.within(timeout)
    except IdUsed:
        raise conflict(
            "IDEMPOTENCY_CONFLICT",
            "this Idempotency-Key was used for another command",
            "take a new key for a new command",
        ) from None
    except HxtpError as refusal:
        if refusal.code == DEVICE_NOT_FOUND:
            raise not_found("device") from None
        if refusal.code == BUFFER_OVERFLOW:
            raise ApiError(
                429, "RATE_LIMIT_EXCEEDED", refusal.detail, "wait until some are done", {"Retry-After": "10"}
            ) from None
        raise ApiError(400, "PARAMS_INVALID", refusal.detail or refusal.code) from None
    except Unavailable as error:
        hint, more = error.hint, {}
        if error.command_id is not None:
            # To try again would be one more command.
            hint = f"GET /commands/{error.command_id} tells what became of it; once stored it is carried out"
            more = {"command_id": error.command_id}
        raise ApiError(503, "GATEWAY_ERROR", str(error), hint, {"Retry-After": "5"}, **more) from None
