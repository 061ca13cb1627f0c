"""What a text has to look like, in words: for who sent another one, instead of a regular expression.

Must never show the expression itself: tests/cloud/test_words.py looks for one that has no words here.
"""

from collections.abc import Mapping
from typing import Any

from host_sim.cloud.catalogue import handshakes
from host_sim.cloud.description.examples import DEVICE, DIGEST, HOME, MS
from host_sim.cloud.routes import firmware_forms, forms, paging, telemetry
from host_sim.cloud.settings import EMAIL

_CURSOR = "`next_cursor` of the page before of this list, just as it was told"
_LISTS = (
    "api_keys",
    "clients",
    "devices",
    "groups",
    "homes",
    "proposals",
    "rooms",
    "rules",
    "scenes",
    "users",
)
_NO_CONTROL = "text without control characters"

# By pattern: what it means, and an example.
WORDS: Mapping[str, tuple[str, str]] = {
    forms.ID: ("an id: 1 to 36 letters, digits or . _ : -", DEVICE),
    forms.NAME: (f"one line of {_NO_CONTROL}, and more than spaces", "Reading lamp"),
    forms.SLUG: (
        "1 to 48 small letters, digits or -, with a letter or a digit at both ends",
        "living-room-lights",
    ),
    r"^[^\x00-\x09\x0b-\x1f\x7f]*$": (f"{_NO_CONTROL} but line breaks", "All lights in the living room"),
    r"^[^\x00-\x1f\x7f]+$": (_NO_CONTROL, "room_entry"),
    r"^[^\x00]*$": ("text without the character U+0000", "Learns infrared faster."),
    r"^[\x20-\x7e]+$": ("printable ASCII characters", "light_on"),
    r"^[A-Za-z0-9-]+$": ("a slug or an id: letters, digits or -", "living-room-lights"),
    r"^[A-Za-z0-9-]{1,36}$": ("an id: 1 to 36 letters, digits or -", HOME),
    r"^[A-Za-z0-9-]{1,48}$": ("a slug or an id: 1 to 48 letters, digits or -", "living-room-lights"),
    r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$": (
        "a word of 1 to 32 letters, digits, _ or -, which begins with a letter or a digit",
        "lights",
    ),
    rf"^{EMAIL}$": ("an e-mail address", "user@example.com"),
    rf"^{handshakes.CODE.pattern}$": ("HXT- and 64 hex digits", "HXT-" + "0" * 64),
    # -- firmware ----
    firmware_forms.SEMVER: (
        "a version as of SemVer 2.0, three numbers without leading zeros and what may follow them",
        "1.2.0",
    ),
    r"^[0-9a-f]{64}$": ("64 lower-case hex digits", DIGEST),
    r"^[A-Za-z0-9+/=_-]*$": ("base64", "c2lnbmF0dXJl"),
    r"^https://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?/[\x21-\x7e]*$": (
        "a URL that begins with https:// and has a path, in ASCII",
        "https://example.org/firmware/esp32-1.2.0.bin",
    ),
    # -- pages of lists ----
    telemetry.FIELD: (
        "one to four names, parted by dots, of 1 to 64 letters, digits, _ or - each",
        "indoor.temperature",
    ),
    **{paging.cursor_pattern(of): (_CURSOR, paging.cursor_example(of)) for of in _LISTS},
    r"^commands\.[0-9]{1,15}\.[0-9]{1,15}$": (_CURSOR, f"commands.{MS}.7"),
    r"^[0-9]{1,15}\.[0-9]{1,18}$": (_CURSOR, f"{MS}.7"),
    r"^[0-9]{1,18}$": (_CURSOR, "7"),
}


# By pydantic's name of an error: what it means here.
_KINDS: Mapping[str, str] = {
    "value_error": "{error}",  # our own words
    "union_tag_invalid": "{discriminator} is one of {expected_tags}",
    "union_tag_not_found": "it has to say what it is: {discriminator} is missing",
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "this has to be an object: {{…}}"),
    "json_invalid": "from here on it is no JSON ({error})",  # the parser's words, which hold nothing of it
    "list_type": "this has to be a list: […]",
    "string_unicode": "half of a surrogate pair is no character",
}


def _length(short: bool, limits: Mapping[str, Any]) -> str:
    bound = limits["min_length"] if short else limits["max_length"]
    return f"there are {limits['actual_length']}, and have to be {bound} at {'least' if short else 'most'}"


def of_error(error: Mapping[str, Any]) -> str:
    """What is wrong, of one of pydantic's errors."""
    told_as = _KINDS.get(error["type"])
    if told_as is not None:
        return told_as.format_map(error.get("ctx", {}))
    if error["type"] in ("too_short", "too_long"):
        return _length(error["type"] == "too_short", error["ctx"])
    if error["type"] != "string_pattern_mismatch":
        return error["msg"]
    told = WORDS.get(error["ctx"]["pattern"])
    if told is None:
        return "it has another form than the API's description says"
    means, example = told
    return f"this has to be {means}, such as {example}"
