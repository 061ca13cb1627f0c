"""Single faults of a device, and some that a cloud may have as well, for the tables in `mutants.device` and
`mutants.cloud`. Each is given to one of the tools in `mutants.spoiling`, or spoils a session by itself.
"""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from host_sim.conformance.mutants.spoiling import NEVER
from hxtp import errors
from hxtp.registry import failed
from hxtp.session import Memory
from hxtp.sign import digest


def prefix_only(session: Any, message: Any) -> bool:
    return session._key.mac(message.signed)[:8] == message.signature[:8]


def take_before_signature(session: Any, message: Any) -> None:
    if message.code == errors.SIGNATURE_INVALID:
        session._floor.last = max(session._floor.last, message.sequence)


def nonce_before_signature(session: Any, message: Any) -> None:
    if message.code == errors.SIGNATURE_INVALID:
        session._floor.nonces.append(message.nonce)


def top_level_wins(session: Any, message: Any, body: dict) -> dict:
    if message.action is not None:
        body = {**body, "action": json.loads(message.action)}
    return body


def no_top_level(session: Any, message: Any) -> None:
    message.action = None


def any_challenge(session: Any, message: Any, body: dict) -> dict:
    return {**body, "challenge": session._challenge} if message.type == "hello_ack" else body


def matched_for_ever(session: Any, message: Any) -> None:
    if message.type == "hello_ack" and message.authentic and session._challenge is None:
        session._floor.last = message.params()["last_cloud_sequence"]


def false_begins(session: Any, message: Any, body: dict) -> dict:
    return {**body, "session": True} if message.type == "hello_ack" else body


def lenient(data: bytes) -> bytes:
    framed = data[:1] == b"H"
    try:
        text = json.dumps(
            json.loads(data[8:] if framed else data), sort_keys=True, separators=(",", ":")
        ).encode()
    except ValueError:
        return data
    return repacked(data, text) if framed else text


def repacked(data: bytes, text: bytes) -> bytes:
    """Another text in the frame of `data`."""
    return data[:4] + len(text).to_bytes(4, "big") + text


def any_size(data: bytes) -> bytes:
    at = data.find(b'"hxtp_padding"')
    if at < 0:
        return data
    end = data.index(b'",', at) + 2
    text = data[8 if data[:1] == b"H" else 0 : at] + data[end:]
    return repacked(data, text) if data[:1] == b"H" else text


def serves_at_once(session: Any) -> None:
    session.serving = lambda: session.state != "OFFLINE"
    session._heartbeat_due = NEVER
    session._offset = 0  # in virtual time ticks are the time


def short_memory(session: Any) -> None:
    add = session.results.add

    def shorter(*args: Any) -> None:
        add(*args)
        del session.results._ring[: -(2 * session.results.kept - 2)]

    session.results.add = shorter


class _Equal(bytes):
    def __ne__(self, other: object) -> bool:
        return False


def any_payload(session: Any) -> None:
    find = session.results.find

    def same(message_id: str) -> Any:
        entry = find(message_id)
        if entry:
            entry[1] = _Equal(entry[1])
        return entry

    session.results.find = same


def nacks_not_stored(session: Any) -> None:
    add = session.results.add
    session.results.add = lambda message_id, hash, ack=None: None if ack else add(message_id, hash)


def unsigned_acks(session: Any, original: Any, now: int) -> Any:
    message = original(now)
    if message and message[0] == "cmd_ack":
        at = message[1].index(b'"signature":"') + 13
        return message[0], message[1][:at] + b"0" * 64 + message[1][at + 64 :]
    return message


def answers_refusals(session: Any, original: Any, *args: Any, **more: Any) -> Any:
    command = original(*args, **more)
    if session.refusal:
        session.outbox.ack("unknown", failed(session.refusal))
    return command


def hello_lacks(session: Any, original: Any, kind: str, body: str, *args: Any) -> Any:
    if kind == "hello":
        body = json.dumps({**json.loads(body), "results_kept": None}, sort_keys=True, separators=(",", ":"))
    return original(kind, body, *args)


def unsorted_manifest(session: Any) -> None:
    text = session.registry.manifest()
    body = json.loads(text)
    body["capabilities"].reverse()
    session.registry.manifest = lambda: json.dumps(body, sort_keys=True, separators=(",", ":"))
    session._manifest_hash = digest(session.registry.manifest().encode()).decode()


def unchecked(session: Any) -> None:
    actions = session.registry._actions

    def find(action: str, params: dict) -> Any:
        if action not in actions:
            raise errors.HxtpError(errors.UNKNOWN_ACTION)
        return actions[action][1][0], {"brightness": 1, **params}

    session.registry.find = find


def target_last(session: Any) -> None:
    find = session.registry.find

    def other_order(action: str, params: dict) -> Any:
        find(action, {name: params[name] for name in params if name != "target"})
        return find(action, params)

    session.registry.find = other_order


def coerced(session: Any) -> None:
    find = session.registry.find

    def number(value: Any) -> Any:
        return int(value) if isinstance(value, bool | float) else value

    session.registry.find = lambda action, params: find(
        action, {name: number(params[name]) for name in params}
    )


def extra_ignored(session: Any) -> None:
    find, actions = session.registry.find, session.registry._actions

    def dropping(action: str, params: dict) -> Any:
        known = actions[action][0][2] if action in actions else {}
        return find(
            action, {name: params[name] for name in params if name in known or name in ("action", "target")}
        )

    session.registry.find = dropping


def number_used_twice(session: Any) -> None:
    following, last = session._counter.next, [0]

    def twice() -> int:
        last[0] = 0 if last[0] else following()
        return last[0] or session._counter.last

    session._counter.next = twice


def keep_floor(session: Any, original: Any, message: Any, body: dict, now: int) -> Any:
    floor = session._floor.last
    result = original(message, body, now)
    session._floor.last = floor
    return result


def floor_never_down(session: Any, original: Any, message: Any, body: dict, now: int) -> Any:
    floor = session._floor.last
    result = original(message, body, now)
    session._floor.last = max(floor, session._floor.last)
    return result


def no_round_trip(session: Any, message: Any, body: dict, now: int) -> None:
    session._hello_sent = session._hello_first = now


def new_challenge(session: Any, now: int) -> None:
    session._challenge = session._random(16).hex()


def numbers_from_start(session: Any, *args: Any) -> None:
    session._counter.last = 0


def usual_limits(session: Any, *args: Any) -> None:
    session._verifier.max_age, session._verifier.max_future = 300000, 60000


def any_age(session: Any, *args: Any) -> None:
    session._verifier.max_age = NEVER


def any_future(session: Any, *args: Any) -> None:
    session._verifier.max_future = NEVER


def set_to(**values: Any) -> Callable[..., None]:
    def work(session: Any, *args: Any) -> None:
        for name, value in values.items():
            setattr(session, name, value)

    return work


def no_state(session: Any, now: int) -> None:
    session.outbox.state = False


def both(*spoils: Callable[[Any], None]) -> Callable[[Any], None]:
    def spoil(session: Any) -> None:
        for each in spoils:
            each(session)

    return spoil


def yes(*args: Any) -> bool:
    return True


def nothing(*args: Any, **more: Any) -> None:
    return None


def short_hash(session: Any) -> None:
    session._verifier.hash_holds = lambda message: digest(message.body)[:8] == message.payload_hash[:8]


def any_direction(session: Any) -> None:
    """Every type that its key signed is executed as a command, from the channel of that type or from any."""
    original = session._verifier.judge
    session._verifier.direction = 15
    session._verifier.judge = lambda data, now, channel=None: as_command(original(data, now))


def as_command(message: Any) -> Any:
    if message.type in ("state", "ack", "heartbeat", "telemetry", "error", "manifest") and not message.code:
        message.type = "command"
    return message


def any_channel(session: Any) -> None:
    original = session._verifier.judge
    session._verifier.judge = lambda data, now, channel=None: original(data, now)


def floor_rule(rule: Callable[[Any, int], bool]) -> Callable[[Any], None]:
    def spoil(session: Any) -> None:
        session._floor.sequence_ok = lambda number: rule(session._floor, number)

    return spoil


def renamed_acks(session: Any) -> None:
    ack = session.outbox.ack
    session.outbox.ack = lambda message_id, members: ack("0" + message_id[1:], members)


def always_executed(session: Any) -> None:
    ack = session.outbox.ack
    session.outbox.ack = lambda message_id, members: ack(message_id, {"ack_status": "executed"})


def serves_alone(session: Any) -> None:
    session.serve_cloud_without_hello_ack = True
    session._memory = Memory()
    session._memory.save_cloud_answers = nothing


def quiet_when_repaired(session: Any) -> None:
    event = session._event

    def quiet(name: str, now: int) -> None:
        event(name, now)
        if name == "repaired":
            session._hello_due = NEVER

    session._event = quiet


def own_clock(session: Any) -> None:
    """Its ticks are the time, and stay it."""
    session._offset = 0
    session.set_clock = nothing


def fixed_nonces(session: Any) -> None:
    draw = session._random
    session._random = lambda size: draw(size) if session.state == "OFFLINE" else bytes(size)


def same_manifest(link: Any, message: Any, body: dict, now: int) -> None:
    if link.manifest is not None:
        link.manifest_hash = body.get("manifest_hash")


def lower_floor(link: Any) -> None:
    """hello_ack tells a number that is one too low."""
    build = link.wire.build

    def lower(key: Any, fields: dict, body: bytes, framed: bool = True) -> bytes:
        if fields["message_type"] == "hello_ack":
            told = json.loads(body)
            told["last_cloud_sequence"] -= 1
            body = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
        return build(key, fields, body, framed)

    link.wire = SimpleNamespace(build=lower)


def no_orders(link: Any) -> None:
    link.orders = []


def running(change: Callable[[Callable[..., dict], str, dict], dict]) -> Callable[[Any], None]:
    """`change(original, action, params)` gives the members of the ack in the place of what runs commands."""

    def spoil(session: Any) -> None:
        original = session.registry.run
        session.registry.run = lambda action, params: change(original, action, params)

    return spoil


def executes_dry_runs(run: Callable[..., dict], action: str, params: dict) -> dict:
    if params.get("dry_run") is not True:
        return run(action, params)
    ack = run(action, {name: params[name] for name in params if name != "dry_run"})
    return {"ack_status": "dry_run"} if ack["ack_status"] == "executed" else ack


def dry_runs_are_executed(run: Callable[..., dict], action: str, params: dict) -> dict:
    ack = run(action, params)
    return {"ack_status": "executed"} if ack["ack_status"] == "dry_run" else ack


def dry_runs_unchecked(run: Callable[..., dict], action: str, params: dict) -> dict:
    return {"ack_status": "dry_run"} if params.get("dry_run") is True else run(action, params)


def dry_run_of_any_value(run: Callable[..., dict], action: str, params: dict) -> dict:
    return run(action, {**params, "dry_run": True} if params.get("dry_run") else params)


def dry_runs_not_stored(session: Any) -> None:
    finish = session.finish

    def forgetting(command: Any, ack: dict) -> None:
        finish(command, ack)
        if ack["ack_status"] == "dry_run":
            session.results._ring.pop()

    session.finish = forgetting
