"""The eight-byte frame and the table of message types.

A frame is `HX`, version 3, a type code and the length of the JSON as u32 big-endian.
This module must never look into the JSON.
"""

import struct

from hxtp.errors import (
    FRAME_LENGTH_INVALID,
    FRAME_MAGIC_INVALID,
    FRAME_TOO_SHORT,
    FRAME_TYPE_INVALID,
    FRAME_VERSION_INVALID,
    PAYLOAD_TOO_LARGE,
    HxtpError,
)

HEADER = 8
MAX_JSON = 16384
MAX_BODY = 15360  # bytes of a body that is sent, so that its envelope fits around it

# Who may say it: the cloud to a device, a device to the cloud, an app to the cloud, the cloud to an app.
TO_DEVICE = 1
TO_CLOUD = 2
FROM_CLIENT = 4
TO_CLIENT = 8

# message_type: (frame code, channel, directions)
TYPES = {
    "state": (1, "state", TO_CLOUD | TO_CLIENT),
    "command": (2, "cmd", TO_DEVICE | FROM_CLIENT),
    "ack": (3, "cmd_ack", TO_CLOUD | TO_CLIENT),
    "heartbeat": (4, "heartbeat", TO_CLOUD | FROM_CLIENT),
    "telemetry": (5, "telemetry", TO_CLOUD | TO_CLIENT),
    "ota": (6, "ota", TO_DEVICE),
    "error": (7, "cmd_ack", TO_CLOUD | TO_CLIENT),
    "hello": (8, "hello", TO_CLOUD),
    "hello_ack": (9, "cmd", TO_DEVICE),
    "manifest": (10, "manifest", TO_CLOUD),
    "ota_status": (11, "ota_status", TO_CLOUD),
}

# What can begin a JSON text, or a byte-order mark: such a message is bare, any other is framed.
_BARE = b'{ \t\r\n["-0123456789tfn\xef'


def header(message_type, size):
    """What stands before `size` bytes of JSON in a frame."""
    return struct.pack(">2sBBI", b"HX", 3, TYPES[message_type][0], size)


def pack(message_type, text):
    """Put the JSON bytes `text` into a frame."""
    return header(message_type, len(text)) + text


def open_frame(data):
    """Return (type code or None, offset of the JSON) of a framed or bare message.

    Raises HxtpError with PAYLOAD_TOO_LARGE or a FRAME_ code, in the order of the spec.
    """
    size = len(data)
    bare = size and data[0] in _BARE
    if (size if bare else size - HEADER) > MAX_JSON:
        raise HxtpError(PAYLOAD_TOO_LARGE)
    if bare:
        return None, 0
    if size < HEADER:
        raise HxtpError(FRAME_TOO_SHORT)
    magic, version, code, length = struct.unpack_from(">2sBBI", data)
    if magic != b"HX":
        raise HxtpError(FRAME_MAGIC_INVALID)
    if version != 3:
        raise HxtpError(FRAME_VERSION_INVALID)
    if not 1 <= code <= 11:
        raise HxtpError(FRAME_TYPE_INVALID)
    if length != size - HEADER:
        raise HxtpError(FRAME_LENGTH_INVALID)
    return code, HEADER
