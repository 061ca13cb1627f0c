"""Checks parameters against what a capability declares. Nothing is coerced.

A declaration is a dict of properties in the manifest's form: type string, number, integer,
boolean or array (of integers, ours), with minimum, maximum, minLength, maxLength, enum,
pattern, items, minItems, maxItems and `required: true`. Undeclared members are refused.
"""

from hxtp.errors import INVALID_PARAMS, HxtpError

TYPES = ("string", "number", "integer", "boolean", "array")


def _typed(kind, value):
    if kind == "boolean":
        return value is True or value is False
    if value is True or value is False:
        return False
    if kind == "integer":
        return isinstance(value, int)
    if kind == "number":
        return isinstance(value, int) or (isinstance(value, float) and value - value == 0)
    if kind == "string":
        return isinstance(value, str)
    return kind == "array" and isinstance(value, list)


def _fits(rule, value, match):
    get = rule.get
    kind = rule["type"]
    if not _typed(kind, value):
        return False
    if kind == "string":
        low, high, size = get("minLength"), get("maxLength"), len(value)
        if "pattern" in rule and not match(rule["pattern"], value):
            return False
    elif kind == "array":
        low, high, size = get("minItems"), get("maxItems"), len(value)
        for item in value:
            if not _fits(rule["items"], item, match):
                return False
    else:
        low, high, size = get("minimum"), get("maximum"), value
    if (low is not None and size < low) or (high is not None and size > high):
        return False
    return "enum" not in rule or value in rule["enum"]


def check(properties, params, match=None):
    """Raise HxtpError(INVALID_PARAMS, member) for the first member (by name) that does not fit.

    `match(pattern, value)` decides patterns; a declaration with one needs it.
    """
    for name in sorted(params):
        if name not in properties or not _fits(properties[name], params[name], match):
            raise HxtpError(INVALID_PARAMS, name)
    for name in sorted(properties):
        if properties[name].get("required") and name not in params:
            raise HxtpError(INVALID_PARAMS, name)
