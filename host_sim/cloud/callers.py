"""Who asks for something: a user, in person or by an API key."""

from dataclasses import dataclass

from host_sim.cloud.catalogue.tenants import User
from host_sim.cloud.errors import ApiError
from host_sim.cloud.security.roles import at_least


@dataclass(frozen=True, slots=True)
class Caller:
    """A user, and what an API key limits it to. `scopes` is None for a person."""

    user: User
    scopes: list[str] | None
    actor: str  # for histories: "user:ID" or "api_key:ID"

    @property
    def tenant_id(self) -> str:
        """Raises ApiError where there is no tenant yet."""
        if self.user.tenant_id is None:
            raise ApiError(
                403, "PERMISSION_DENIED", "this user has no tenant yet", "make one: POST /tenant/register"
            )
        return self.user.tenant_id

    @property
    def sees_only(self) -> str | None:
        """Whose keys and app clients the caller may list and end: a user's id; None: all of the tenant's."""
        return None if at_least(self.user.role, "admin") else self.user.id
