"""The gate: what a command has to pass before it is signed, in this order, whoever asks and however.

    the caller and its rate limit (access) → manifest → parameters → safety class → dry run → the device's
    limit → order

A critical command that nobody has said yes to becomes a dry run first (`trials`). One Idempotency-Key is one
command, and so is one yes: its id is fixed before anybody is asked, so whatever comes again finds it stored.
Must never pass what the device's own manifest does not list, nor tell a tenant of another's devices.
"""

import asyncio
import contextlib
import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool

from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import commands
from host_sim.cloud.catalogue.targets import Targets
from host_sim.cloud.errors import ApiError
from host_sim.cloud.exchange.exchange import Exchange
from host_sim.cloud.gate.acceptance import away, done, result, used
from host_sim.cloud.gate.judge import ASKS, Asked, Passed, judge
from host_sim.cloud.gate.quota import Quota
from host_sim.cloud.gate.trials import Trial, Trials
from host_sim.cloud.gate.way import DEVICE_LIMIT, DRY_RUN, REQUEST, SIGNED, Way
from host_sim.cloud.links import ledger
from host_sim.cloud.links.orders import Acceptance, Content
from host_sim.cloud.security import hashing
from host_sim.cloud.storage.database import FAILURES, Database
from hxtp.cloud import LIFE

CONFIRM_MS = 30000  # for a sensitive command
DRY_RUN_MS = 60000  # for a critical one


@dataclass(slots=True)
class _Asking:
    """A command that somebody has to say yes to. `trial`: of its device, or why there could be none.

    `message_id`: that it has to get, by an Idempotency-Key or an earlier token. `stored`: the command that
    has it already.
    """

    passed: Passed
    life: int | None
    message_id: str | None
    way: Way
    stored: Content | None = None
    trial: Trial | ApiError | None = None

    @property
    def tries(self) -> bool:
        """Whether the device is asked first (HX3-MAN-10, HX3-CMD-31)."""
        return self.passed.safety == "critical" and self.passed.dry_runs and self.stored is None

    @property
    def content(self) -> Content:
        return _content(self.passed.device_id, self.passed.action, self.passed.params, self.life)


class Gate:
    """Commands of callers, through to the exchange."""

    def __init__(self, database: Database, exchange: Exchange, quota: Quota) -> None:
        self._database = database
        self._exchange = exchange
        self._quota = quota
        self._targets = Targets(database)
        self._trials = Trials(database, exchange)
        self.refused: Callable[[str, str], None] = _nobody  # is told the code and the step of every refusal

    def command(self, caller: Caller, device_id: str, asked: Asked, way: Way | None = None) -> str:
        """The message id of the accepted command. Raises ApiError; 409 with a token where a yes is needed.

        `way`: what it has passed before.
        """
        way = way or Way(REQUEST)
        with self._told(way):
            passed = self._pass(caller, device_id, asked, way)
            if not asked.dry_run and passed.safety in ASKS:
                asking = _Asking(passed, asked.life, _id_of(caller, device_id, asked), way)
                self._recall(caller, [asking])
                self._try(caller, [asking])
                return self._ask(caller, asking)
            way.at(DEVICE_LIMIT)
            self._quota.take(device_id, passed.action)
            way.at(SIGNED)
            return result(self._submit(caller, passed, asked))

    async def accept(self, caller: Caller, device_id: str, asked: Asked, way: Way | None = None) -> str:
        """As `command`, on an event loop: a thread is taken only where the database has to be asked."""
        way = way or Way(REQUEST)
        target = self._targets.known(caller.tenant_id, device_id)
        if due := self._targets.due(caller.tenant_id):
            asyncio.get_running_loop().run_in_executor(None, self._targets.renew, caller.tenant_id, due)
        with self._told(way):
            if target is None:
                passed = await run_in_threadpool(self._pass, caller, device_id, asked, way)
            else:
                passed = judge(target, device_id, asked, way)
            if not asked.dry_run and passed.safety in ASKS:
                asking = _Asking(passed, asked.life, _id_of(caller, device_id, asked), way)
                if asking.message_id is not None:
                    await run_in_threadpool(self._recall, caller, [asking])
                if asking.tries:
                    way.at(DRY_RUN)
                    asking.trial = self._begin(caller, passed)
                    await self._trials.ended(asking.trial)
                return await run_in_threadpool(self._ask, caller, asking)
            way.at(DEVICE_LIMIT)
            if self._quota.waits:
                await run_in_threadpool(self._quota.take, device_id, passed.action)
            else:
                self._quota.take(device_id, passed.action)
        way.at(SIGNED)
        future = self._submit(caller, passed, asked)
        await done(future)
        with self._told(way):
            return result(future, 0)

    def many(self, caller: Caller, device_ids: list[str], asked: Asked) -> list[dict[str, Any]]:
        """The same command for several devices: what became of each, in their order. Nothing is raised."""
        return self.each(caller, [(device_id, asked) for device_id in device_ids])

    def each(self, caller: Caller, wanted: list[tuple[str, Asked]]) -> list[dict[str, Any]]:
        """A command for each device: what became of each, in their order. Nothing is raised."""
        begun: list[tuple[str, Acceptance | _Asking | ApiError, Way]] = []
        known = self._targets.read(caller.tenant_id, [device_id for device_id, _ in wanted])
        for device_id, asked in wanted:
            way = Way(REQUEST)
            try:
                passed = judge(known.get(device_id), device_id, asked, way)
                if not asked.dry_run and passed.safety in ASKS:
                    message_id = _id_of(caller, device_id, asked)
                    begun.append((device_id, _Asking(passed, asked.life, message_id, way), way))
                else:
                    way.at(DEVICE_LIMIT)
                    self._quota.take(device_id, passed.action)
                    way.at(SIGNED)
                    begun.append((device_id, self._submit(caller, passed, asked), way))
            except ApiError as error:
                begun.append((device_id, error, way))
        asking = [one for _, one, _ in begun if isinstance(one, _Asking)]
        lost = None
        try:
            self._recall(caller, asking)
            self._try(caller, asking)
        except FAILURES as error:
            lost = away(error)
        results = []
        for device_id, one, way in begun:
            try:
                with self._told(way):
                    if isinstance(one, ApiError):
                        raise one
                    if not isinstance(one, _Asking):
                        message_id = result(one)
                    elif lost is not None:
                        raise lost
                    else:
                        try:
                            message_id = self._ask(caller, one)
                        except FAILURES as error:
                            raise away(error) from error
                told = {"success": True, "command_id": message_id, "message_id": message_id}
            except ApiError as error:
                # The published API has the sentence as `error` here; all errors have it as `message`.
                told = {
                    "success": False,
                    "error": error.message,
                    "message": error.message,
                    "hint": error.hint,
                    "code": error.code,
                    **error.more,
                }
            results.append({"device_id": device_id, **told})
        return results

    def able(self, caller: Caller, device_ids: list[str], action: str) -> list[str]:
        """Those of the devices whose manifest has the action."""
        known = self._targets.read(caller.tenant_id, device_ids)
        return [name for name in device_ids if name in known and known[name].has(action)]

    def tell(self, refusal: ApiError, step: str) -> None:
        """Count a command that was refused on its way to the gate, unless it was counted here."""
        if not refusal.counted:
            refusal.counted = True
            self.refused(refusal.code, step)

    @contextlib.contextmanager
    def _told(self, way: Way) -> Iterator[None]:
        try:
            yield
        except ApiError as error:
            # Whether it was counted before or not: one refusal may be that of several devices.
            error.counted = True
            self.refused(error.code, way.step)
            raise

    def confirm(self, caller: Caller, device_id: str, token: str, way: Way | None = None) -> str:
        """The message id of the command that waited for this yes. Raises ApiError.

        The same yes again, while the token holds, gives the same command (HX3-MAN-22): what keeps it from
        being sent twice is its id, which lies beside the token and is stored with the command.
        """
        way = way or Way(REQUEST)
        with self._told(way):
            return self._confirm(caller, device_id, token, way)

    def _confirm(self, caller: Caller, device_id: str, token: str, way: Way) -> str:
        now = self._exchange.now()
        tenant_id, token_hash = caller.tenant_id, hashing.digest(token)
        with self._database.reading(tenant_id) as connection:
            row = commands.find_confirmation(
                connection, tenant_id, device_id, caller.user.id, token_hash, now
            )
            known = ledger.known_orders(connection, tenant_id, [row.message_id]) if row else {}
        if row is None:
            raise ApiError(
                404, "NOT_FOUND", "this token waits for nothing", "it has expired, or is another's: ask anew"
            )
        # Before all else: whatever has changed since, and however many were sent, it is done.
        if row.message_id in known:
            wanted = _content(device_id, row.action, row.params, row.life)
            return _same(row.message_id, known[row.message_id], wanted)
        asked = Asked(row.action, row.params, ttl_s=row.life and row.life / 1000, coerce=False)
        passed = self._pass(caller, device_id, asked, way)
        if not passed.has(row.passed_as):
            # This yes was asked for when it was of another class, or the device took no dry run of it.
            asking = _Asking(passed, asked.life, row.message_id, way)
            self._try(caller, [asking])
            return self._ask(caller, asking)
        way.at(DEVICE_LIMIT)
        if not row.counted:
            self._quota.take(device_id, passed.action)
            self._quota.confirmed(device_id, passed.safety)
            with self._database.writing(tenant_id, quiet=True) as connection:
                commands.count_confirmation(connection, tenant_id, token_hash)
        way.at(SIGNED)
        return result(self._submit(caller, passed, asked, row.message_id))

    # -- the steps ----------------------------------------------------------------------------------------

    def _pass(self, caller: Caller, device_id: str, asked: Asked, way: Way) -> Passed:
        known = self._targets.read(caller.tenant_id, [device_id])
        return judge(known.get(device_id), device_id, asked, way)

    def _try(self, caller: Caller, asked: Sequence[_Asking]) -> None:
        """Let the devices have their say first, where a command is critical and its device can."""
        able = [one for one in asked if one.tries]
        if not able:
            return
        for one in able:
            one.way.at(DRY_RUN)
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

    def _recall(self, caller: Caller, asked: Sequence[_Asking]) -> None:
        """Find out which of them have been confirmed before, under the same Idempotency-Key."""
        ids = [one.message_id for one in asked if one.message_id is not None]
        if not ids:
            return
        with self._database.reading(caller.tenant_id) as connection:
            known = ledger.known_orders(connection, caller.tenant_id, ids)
        for one in asked:
            if one.message_id is not None:
                one.stored = known.get(one.message_id)

    def _begin(self, caller: Caller, passed: Passed) -> Trial:
        return self._trials.begin(caller, passed.device_id, passed.action, passed.params)

    def _ask(self, caller: Caller, asking: _Asking) -> str:
        """The message id where it was confirmed before. Else raises ApiError: by which token it has to be
        confirmed, or what is in the way of that.
        """
        passed, trial = asking.passed, asking.trial
        if asking.message_id is not None and asking.stored is not None:
            return _same(asking.message_id, asking.stored, asking.content)
        status = ASKS[passed.safety]
        text, more = f"{passed.action} is {passed.safety}: somebody has to say yes", {}
        if isinstance(trial, ApiError):
            raise trial
        if trial is not None:
            result(trial.accepted, 0)
            trial.judge()
            more = {"dry_run": "taken", "dry_run_id": trial.command_id}
        elif passed.safety == "critical":
            text += "; the device was not asked, for it takes no dry run of this"
            more = {"dry_run": "not_supported"}
        token, now = hashing.token(), self._exchange.now()
        token_hash = hashing.digest(token)
        message_id = asking.message_id or _made_id("token", token_hash)
        life = CONFIRM_MS if passed.safety == "sensitive" else DRY_RUN_MS
        with self._database.writing(caller.tenant_id, quiet=True) as connection:
            commands.add_confirmation(
                connection,
                caller.tenant_id,
                passed.device_id,
                caller.user.id,
                token_hash,
                (message_id, passed.needs, passed.action, passed.params, asking.life),
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

    def _submit(
        self, caller: Caller, passed: Passed, asked: Asked, message_id: str | None = None
    ) -> Acceptance:
        """`message_id`: of what was confirmed."""
        return self._exchange.order(
            caller.tenant_id,
            passed.device_id,
            passed.action,
            passed.params,
            life=asked.life or LIFE,
            actor=caller.actor,
            dry_run=asked.dry_run,
            passed_as=passed.needs,
            manifest=passed.manifest,
            message_id=message_id or _id_of(caller, passed.device_id, asked),
        )


def _id_of(caller: Caller, device_id: str, asked: Asked) -> str | None:
    """The message id that an Idempotency-Key gives to the command for this device."""
    if asked.key is None:
        return None
    return _made_id("key", caller.tenant_id, caller.user.id, asked.key, device_id)


def _made_id(*names: str) -> str:
    """The same for the same names, and of the form that all message ids have (HX3-WIRE-38)."""
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def _content(device_id: str, action: str, params: Mapping[str, Any], life: int | None) -> Content:
    """Of a command that somebody says yes to."""
    return Content(device_id, action, params, False, life or LIFE)


def _same(message_id: str, stored: Content, wanted: Content) -> str:
    """The id of a command that is there already. Raises ApiError where it is another than is wanted."""
    if stored != wanted:
        raise used()
    return message_id


def _nobody(code: str, step: str) -> None:
    """Nobody wants to know of a refusal."""
