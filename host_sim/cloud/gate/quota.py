"""How many commands a device takes in a time: of a class, and where the settings say so of an action or all.

Must never count what was refused before, nor what a device is asked only to try.
"""

from host_sim.cloud.errors import ApiError
from host_sim.cloud.gate.limits import HOUR, MINUTE, Limits
from host_sim.cloud.settings import Settings
from host_sim.counted import counted

ACTION_S = 300  # the window of an action's own limit


class Quota:
    """`waits`: whether `take` asks another process, so that no event loop should call it."""

    def __init__(self, limits: Limits, settings: Settings) -> None:
        self._limits = limits
        self._settings = settings

    @property
    def waits(self) -> bool:
        return self._limits.waits and bool(self._settings.device_per_minute or self._settings.action_per_5min)

    def take(self, device_id: str, action: str) -> None:
        """One more command for a device. Raises ApiError 429."""
        settings = self._settings
        self._take(f"device:{device_id}", settings.device_per_minute, MINUTE, "command was", "commands were")
        words = f"command {action} was", f"commands {action} were"
        self._take(f"action:{device_id}:{action}", settings.action_per_5min, ACTION_S, *words)

    def confirmed(self, device_id: str, safety: str) -> None:
        """One that somebody has said yes to. Raises ApiError 429."""
        most, length_s = {
            "sensitive": (self._settings.sensitive_per_minute, MINUTE),
            "critical": (self._settings.critical_per_hour, HOUR),
        }.get(safety, (0, MINUTE))
        self._take(
            f"{safety}:{device_id}", most, length_s, f"{safety} command was", f"{safety} commands were"
        )

    def _take(self, name: str, most: int, length_s: int, one: str, several: str) -> None:
        if not most:
            return
        taken = self._limits.take(name, most, length_s)
        if not taken.allowed:
            raise ApiError(
                429,
                "RATE_LIMIT_EXCEEDED",
                f"{counted(most, one, several)} sent to this device already",
                f"try again in {taken.reset_s} s",
                taken.headers(),
            )
