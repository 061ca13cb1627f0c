"""Ways to break a device: functions of a new Session, for the table in `mutants.device`."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from host_sim.broker.packets import Connect
from hxtp.session import Session

NEVER = 1 << 60


def around(name: str, wrapper: Callable[..., Any]) -> Callable[[Any], None]:
    """Spoil one method: `wrapper(session, original, *arguments)` is called in its place."""

    def spoil(session: Session) -> None:
        original = getattr(session, name)
        setattr(session, name, lambda *args, **more: wrapper(session, original, *args, **more))

    return spoil


def before(name: str, work: Callable[..., None]) -> Callable[[Any], None]:
    def wrapper(session: Any, original: Any, *args: Any, **more: Any) -> Any:
        work(session, *args)
        return original(*args, **more)

    return around(name, wrapper)


def after(name: str, work: Callable[..., None]) -> Callable[[Any], None]:
    def wrapper(session: Any, original: Any, *args: Any, **more: Any) -> Any:
        result = original(*args, **more)
        work(session, *args)
        return result

    return around(name, wrapper)


class _Open:
    """A message whose attributes can be set anew, also where it is made of slots and properties."""

    def __init__(self, message: Any) -> None:
        self._message = message

    def __getattr__(self, name: str) -> Any:
        return getattr(self._message, name)


def judging(change: Callable[[Any, Any], None]) -> Callable[[Any], None]:
    """`change(session, message)` has the last word on every verdict."""

    def spoil(session: Any) -> None:
        original = session._verifier.judge

        def judge(*args: Any) -> Any:
            message = _Open(original(*args))
            change(session, message)
            return message

        session._verifier.judge = judge

    return spoil


def accepting(
    code: str, when: Callable[[Any, Any], bool] = lambda session, message: True
) -> Callable[[Any], None]:
    """What ends with this code is accepted."""

    def change(session: Any, message: Any) -> None:
        if message.code == code and when(session, message):
            message.code, message.authentic, message.slot = None, True, session._verifier.slots[0]

    return judging(change)


def reading(change: Callable[[Any, Any, dict], dict]) -> Callable[[Any], None]:
    """The body is read as `change(session, message, body)` gives it."""

    def spoil(session: Any, message: Any) -> None:
        params = message.params
        message.params = lambda: change(session, message, params())

    return judging(spoil)


def parsing(change: Callable[[bytes], bytes]) -> Callable[[Any], None]:
    """A message is taken for what `change` makes of it."""

    def spoil(session: Any) -> None:
        original = session._verifier.parse
        session._verifier.parse = lambda data, message: original(change(data), message)

    return spoil


def setting(path: str, value: Any) -> Callable[[Any], None]:
    """An attribute, by its dotted path, has another value."""

    def spoil(session: Any) -> None:
        *parts, last = path.split(".")
        owner = session
        for part in parts:
            owner = getattr(owner, part)
        setattr(owner, last, value)

    return spoil


def connecting(**values: Any) -> Callable[[Connect], None]:
    """CONNECT says this instead; for a Broken's `connect`."""

    def spoil(packet: Connect) -> None:
        for name, value in values.items():
            setattr(packet, name, value)

    return spoil


def leaving_will(**values: Any) -> Callable[[Connect], None]:
    """The will in CONNECT is otherwise right."""

    def spoil(packet: Connect) -> None:
        assert packet.will is not None
        packet.will = replace(packet.will, **values)

    return spoil
