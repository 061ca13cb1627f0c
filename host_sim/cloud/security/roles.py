"""Who may do what: five roles for people, ten scopes for API keys.

A role may do all that the ones below it may. An API key may do what its scopes name and the role of the
user that made it may, and never manages keys or people.
"""

ROLES = ("none", "viewer", "user", "admin", "owner")
RESOURCES = ("devices", "homes", "groups", "firmware", "manifest")
SCOPES = tuple(f"{verb}:{resource}" for verb in ("read", "write") for resource in RESOURCES)


ANY = "any"  # what every API key may, whatever its scopes: to ask who it is

_READS = frozenset(scope for scope in SCOPES if scope.startswith("read:"))
_GRANTS = {
    "none": frozenset(),
    "viewer": _READS,
    "user": _READS | {"write:devices", "write:groups"},
    "admin": frozenset(SCOPES),
    "owner": frozenset(SCOPES),
}


def grantable(role: str) -> frozenset[str]:
    """The scopes that somebody of this role may give to an API key."""
    return _GRANTS.get(role, frozenset())


def at_least(role: str, needed: str) -> bool:
    return role in ROLES and ROLES.index(role) >= ROLES.index(needed)


def covers(scopes: "list[str] | None", needed: str | None) -> bool:
    """Whether a key with `scopes` may do what `needed` names. None: a person, bound by the role.

    To write a thing includes to read it. What names no scope is not for keys.
    """
    if scopes is None or needed == ANY:
        return True
    if needed is None:
        return False
    verb, _, resource = needed.partition(":")
    return needed in scopes or (verb == "read" and f"write:{resource}" in scopes)
