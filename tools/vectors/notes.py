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
    "WhiteSpace": Note(
        "White space is four bytes. What trims more, or less, accepts a text that others read differently.",
        ("HX3-WIRE-12",),
    ),
    "NotOneObject": Note(
        "A parser that stops behind the first value, or takes a truncated one, sees another message "
        "than was sent.",
        ("HX3-WIRE-12",),
    ),
    "LenientParser": Note(
        "Common parsers accept this although RFC 8259 does not. Two of them at the two ends then "
        "disagree on what was signed.",
        ("HX3-WIRE-12", "HX3-WIRE-17", "HX3-WIRE-18"),
    ),
    "NumberText": Note(
        "Number texts on which parsers differ: what a double cannot hold, spellings of one value, and texts "
        "long enough to be a burden.",
        ("HX3-WIRE-16", "HX3-CANON-05"),
    ),
    "DuplicateMember": Note(
        "First wins in one parser, last in another: the one that checks and the one that acts can be two.",
        ("HX3-WIRE-13",),
    ),
    "EscapedName": Note(
        "A top-level name with a backslash could hide a member from a scan that compares bytes.",
        ("HX3-WIRE-14",),
    ),
    "Depth": Note(
        "Deep nesting overflows the stack of a recursive parser; too small a limit refuses honest messages.",
        ("HX3-WIRE-15",),
    ),
    "Size": Note(
        "The limit of 16,384 bytes: one less shuts honest messages out, one more overflows a small device.",
        ("HX3-WIRE-04", "HX3-VAL-02"),
    ),
    "IllFormedUtf8": Note(
        "Decoders that are too lenient read one text from several byte strings, or refuse with another code.",
        ("HX3-WIRE-11",),
    ),
    "Unicode": Note(
        "Text that survives only where nobody decodes, normalises or escapes it anew.",
        ("HX3-CANON-02", "HX3-CANON-05"),
    ),
    "ByteOrderMark": Note(
        "Some decoders drop a mark in silence, or guess an encoding by it.",
        ("HX3-WIRE-01", "HX3-WIRE-12"),
    ),
    "LoneSurrogate": Note(
        "Half of a surrogate pair is kept, replaced or refused, depending on the language.",
        ("HX3-WIRE-17",),
    ),
    "MissingField": Note(
        "A member is not there. Some public verifiers skip the check that they have no value for.",
        ("HX3-WIRE-20", "HX3-WIRE-25"),
    ),
    "WrongType": Note(
        "A member of another JSON type. Languages that convert in silence sign something else.",
        ("HX3-WIRE-22", "HX3-WIRE-23", "HX3-WIRE-27"),
    ),
    "IdGrammar": Note(
        "Ids at the edges of their grammar: length, alphabet, and what escapes mean.",
        ("HX3-WIRE-22", "HX3-CANON-02"),
    ),
    "Injection": Note(
        "A separator inside a field moves the border between two fields, and two messages sign alike.",
        ("HX3-WIRE-22", "HX3-CANON-01"),
    ),
    "NumberGrammar": Note(
        "Numbers of the envelope are signed as they are written, so only one spelling of each is taken.",
        ("HX3-WIRE-23", "HX3-CANON-02"),
    ),
    "NonceGrammar": Note(
        "A nonce has to stand for sixteen bytes at least, in one of two alphabets that overlap.",
        ("HX3-WIRE-26",),
    ),
    "DigestGrammar": Note(
        "Hash and signature are 64 lower-case digits; other forms invite truncated and doubled comparisons.",
        ("HX3-WIRE-27",),
    ),
    "OtherVersion": Note(
        "Another protocol on the same topics has to be named as such, whatever else its messages hold.",
        ("HX3-WIRE-21", "HX3-VAL-03", "HX3-VERS-01"),
    ),
    "Alias": Note(
        "Names under which older programs sent two of the fields: pipe10 refuses them, the JSON profiles "
        "take them alone.",
        ("HX3-WIRE-24", "HX3-CANON-18"),
    ),
    "UnknownMember": Note(
        "Later texts of the protocol may add members; who refuses them cannot be talked to any more.",
        ("HX3-WIRE-28", "HX3-VERS-02"),
    ),
    "BodyName": Note(
        "Older devices send their body under other names; a name that its type does not have is no body.",
        ("HX3-WIRE-30",),
    ),
    "SeveralBodies": Note(
        "With two bodies, one is hashed and the other obeyed.",
        ("HX3-WIRE-29",),
    ),
    "BodyType": Note(
        "A body that is no object crashes handlers that expect one.",
        ("HX3-WIRE-31",),
    ),
    "NoBody": Note(
        "A message without a body is hashed as if it had an empty one.",
        ("HX3-WIRE-32", "HX3-CANON-04"),
    ),
    "HashedBytes": Note(
        "A hash over a body that was parsed and written again agrees only where both ends write alike.",
        ("HX3-CANON-04", "HX3-CANON-05"),
    ),
    "Direction": Note(
        "A message of one side that is sent back to it, or re-framed as another type, must not be obeyed.",
        ("HX3-WIRE-09", "HX3-WIRE-10"),
    ),
    "UnknownType": Note(
        "A type that is looked up without care finds something that is no type.",
        ("HX3-WIRE-08",),
    ),
    "WrongDevice": Note(
        "A message for one device must do nothing at another.",
        ("HX3-VAL-01", "HX3-CODEC-06"),
    ),
    "WrongTenant": Note(
        "pipe10 does not sign tenant_id, so that comparing it is all there is.",
        ("HX3-VAL-01", "HX3-WIRE-25"),
    ),
    "Time": Note(
        "The edges of the two limits, in ms, and timestamps that count seconds.",
        ("HX3-VAL-05", "HX3-WIRE-42"),
    ),
    "Replay": Note(
        "A nonce that was seen, however it is written, and others that only look like it.",
        ("HX3-SEQ-02", "HX3-SEQ-03"),
    ),
    "Sequence": Note(
        "Numbers at and around the last one, and where 32 bits, signs or text would compare them wrongly.",
        ("HX3-SEQ-01",),
    ),
    "Covered": Note(
        "Whatever a signature does not cover, anybody on the way can change.",
        ("HX3-CANON-01",),
    ),
    "SignedText": Note(
        "Texts that implementations have signed by mistake, or that an attacker would like them to.",
        ("HX3-CANON-01",),
    ),
    "Hmac": Note(
        "Signatures that are nearly right: another key, another construction, a part of the digits.",
        ("HX3-CANON-03",),
    ),
    "TwoSecrets": Note(
        "While a secret is changed, two verify; which one did is told.",
        ("HX3-CODEC-07",),
    ),
    "Order": Note(
        "With two faults the first in the table decides. Another order tells strangers more, or names one "
        "message by two codes.",
        ("HX3-VAL-01",),
    ),
    "JsonProfile": Note(
        "Ordinary messages of the profiles that later SDKs for app programs use.",
        ("HX3-CANON-14", "HX3-CANON-16"),
    ),
    "DeviceProfile": Note(
        "A JSON profile under a device's key would let a client's message be played to a device.",
        ("HX3-CANON-06", "HX3-CANON-07"),
    ),
    "ProtocolMember": Note(
        "A member that is signed whether it is there or not must not be able to say anything else.",
        ("HX3-CANON-12", "HX3-CANON-19", "HX3-CANON-20"),
    ),
    "JsonBody": Note(
        "The JSON profiles never had other names for params, and their canonical text needs an object.",
        ("HX3-CANON-20", "HX3-CANON-22"),
    ),
    "AsStrict": Note(
        "The strictness of pipe10 must not be lost behind another canonical form.",
        ("HX3-CANON-24",),
    ),
    "CanonicalNumber": Note(
        "Languages write one number in many ways; canonical JSON has one for each dialect.",
        ("HX3-CANON-11", "HX3-CANON-13", "HX3-CANON-21"),
    ),
    "CanonicalText": Note(
        "Escapes, normal forms and the order of names, on which JSON writers differ.",
        ("HX3-CANON-10", "HX3-CANON-13"),
    ),
    "Ambiguous": Note(
        "Two different params with one canonical text would share a signature.",
        ("HX3-CANON-20",),
    ),
    "ParamsHash": Note(
        "Each profile hashes another text of the params.",
        ("HX3-CANON-15", "HX3-CANON-17"),
    ),
    "Unhashed": Note(
        "Without payload_hash the canonical text alone vouches for the params; an ill-formed hash is not an "
        "absent one.",
        ("HX3-CANON-15", "HX3-CANON-21"),
    ),
    "Auto": Note(
        "A cloud that is not told the profile tries all; what it says of a message that none accepts has to "
        "be the same everywhere.",
        ("HX3-CODEC-09",),
    ),
    "Sign": Note(
        "The bytes that are sent, the text that is signed, and the hash.",
        ("HX3-CODEC-11", "HX3-WIRE-34"),
    ),
    "SignRefused": Note(
        "Who signs what every receiver refuses finds out late.",
        ("HX3-CODEC-11",),
    ),
    "Codec": Note(
        "The program itself: a line for a line, and BAD_REQUEST for what is no request.",
        ("HX3-CODEC-01", "HX3-CODEC-02", "HX3-CODEC-03"),
    ),
    "NoMemory": Note(
        "A codec that remembers gives another answer to the same question.",
        ("HX3-CODEC-04",),
    ),
    "Sdk": Note(
        "Built by the public SDKs that Annex A names, and not by this project.",
        ("HX3-SDK-03", "HX3-SDK-04"),
    ),
}
