"""Which profile a message is in, where nobody said: that of the verifier that accepts it, or came furthest.

Must never make a message acceptable that none of the verifiers accepts.
"""

from hxtp import envelope, errors

# The order of the verdict. Two codes stand in it twice, before and behind the field grammar.
BEFORE = (
    errors.PAYLOAD_TOO_LARGE,
    errors.FRAME_TOO_SHORT,
    errors.FRAME_MAGIC_INVALID,
    errors.FRAME_VERSION_INVALID,
    errors.FRAME_TYPE_INVALID,
    errors.FRAME_LENGTH_INVALID,
    errors.FRAME_UTF8_INVALID,
    errors.FRAME_JSON_INVALID,
    errors.VERSION_MISMATCH,
    errors.FRAME_SCHEMA_INVALID,
    errors.NONCE_MISSING,
    errors.HASH_MISMATCH,
    errors.SIGNATURE_MISSING,
)
BEHIND = (
    errors.FRAME_TYPE_INVALID,
    errors.DEVICE_NOT_FOUND,
    errors.PERMISSION_DENIED,
    errors.TIMESTAMP_FUTURE,
    errors.TIMESTAMP_EXPIRED,
    errors.NONCE_REUSED,
    errors.HASH_MISMATCH,
    errors.SEQUENCE_VIOLATION,
    errors.SIGNATURE_INVALID,
)


def progress(message: envelope.Message) -> int:
    """How far in the order of the verdict a refused message came."""
    behind = message.type is not None  # set once every field has passed
    steps = BEHIND if behind else BEFORE
    return (steps.index(message.code) if message.code in steps else -1) + behind * len(BEFORE)
