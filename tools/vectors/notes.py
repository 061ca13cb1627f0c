"""The flags of the vectors: what goes wrong in an implementation that fails a test so marked.

Must name every flag that a table uses, and no other.
"""

from typing import NamedTuple


class Note(NamedTuple):
    explanation: str
    clauses: tuple[str, ...]


NOTES = {
    "Valid": Note(
        "An ordinary message that every implementation has to accept.",
        ("HX3-VAL-01", "HX3-CANON-01"),
    ),
    "Frame": Note(
        "The header of eight bytes. Whoever trusts it more than the JSON, or does not compare the two, can "
        "be made to read past the end or to take one type for another.",
        ("HX3-WIRE-02", "HX3-WIRE-03", "HX3-WIRE-09"),
    ),
}
