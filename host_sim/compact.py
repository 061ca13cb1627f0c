"""Objects that exist by the thousand, made small: what every one has moves from its dictionary into slots.

This module must never change what a class does; it only says where its attributes lie.
"""

import dis
from types import FunctionType


def stored_by(cls: type) -> tuple[str, ...]:
    """Names of the attributes that the methods of `cls` itself assign to, less those that the class has a
    value for: a slot would hide that value.
    """
    names = {
        step.argval
        for method in vars(cls).values()
        if isinstance(method, FunctionType)
        for step in dis.get_instructions(method)
        if step.opname == "STORE_ATTR"
    }
    return tuple(sorted(name for name in names if not hasattr(cls, name)))
