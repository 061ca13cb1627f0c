"""The way of a command, from the request to the device: which steps it has passed, and at which one it is.

Where a command is refused, its way says which step refused it. Must never say that of one that it did not
come to.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

AUTHENTICATION = "authentication"
TENANT = "tenant"
ROLE_AND_SCOPE = "role_and_scope"
RATE_LIMIT = "rate_limit"  # of the tenant
REQUEST = "request"  # its form, and what it names
MANIFEST = "manifest"
PARAMETERS = "parameters"
SAFETY_CLASS = "safety_class"
DRY_RUN = "dry_run"  # that was asked for, or that a critical command needs
DEVICE_LIMIT = "device_limit"  # commands to one device
SIGNED = "signed"  # stored, to be signed and sent
STEPS = (
    AUTHENTICATION,
    TENANT,
    ROLE_AND_SCOPE,
    RATE_LIMIT,
    REQUEST,
    MANIFEST,
    PARAMETERS,
    SAFETY_CLASS,
    DRY_RUN,
    DEVICE_LIMIT,
    SIGNED,
)

Endpoint = TypeVar("Endpoint", bound=Callable[..., object])


class Way:
    """Of one command. `step`: where it is; `passed`: what lies behind it. `shown`: to who asks."""

    __slots__ = ("passed", "shown", "step")

    def __init__(self, step: str = AUTHENTICATION) -> None:
        self.step = step
        self.passed: list[str] = []
        self.shown = False

    def at(self, step: str) -> None:
        """The step before this one is passed."""
        self.passed.append(self.step)
        self.step = step

    @property
    def whole(self) -> list[str]:
        """All steps of a command that was accepted."""
        return [*self.passed, self.step]


def gated(endpoint: Endpoint) -> Endpoint:
    """Mark a route whose requests are commands: one refused before the gate is counted all the same."""
    endpoint.gated = True  # type: ignore[attr-defined]
    return endpoint


def is_gated(scope: Mapping[str, Any]) -> bool:
    """Whether a request with this ASGI scope is for a route that is marked so."""
    return getattr(scope.get("endpoint"), "gated", False)


def is_shown(scope: Mapping[str, Any]) -> bool:
    """Whether an admin is told the steps there: the published row of the plural path says so."""
    return is_gated(scope) and "/devices/" in scope["path"]
