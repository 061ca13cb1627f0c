"""What the fast paths share: they only ever accept, and leave everything else to `hxtp`.

A fast path reads the form in which messages are usually written, and accepts one in which every rule of
`hxtp.envelope` holds. What has another form, and what would be refused, `hxtp` judges itself. So a fast
path must never accept what `hxtp` refuses; a verdict other than acceptance it cannot give at all.
"""

import struct
from abc import ABC, abstractmethod
from typing import Any

from hxtp import envelope

# What reading a message of another form can raise.
_UNUSUAL = (ValueError, LookupError, StopIteration, RecursionError, struct.error)


class AcceptingVerifier(envelope.Verifier, ABC):
    """A Verifier that gives hxtp's verdicts, acceptance sooner."""

    def judge(self, data, now, channel=None):
        """As `hxtp.envelope.Verifier.judge`; an accepted message has the same attributes and methods."""
        if now is not None:
            try:
                message = self.accepted(data, now, channel)
            except _UNUSUAL:
                message = None
            if message is not None:
                return message
        return super().judge(data, now, channel)

    @abstractmethod
    def accepted(self, data: bytes, now: int, channel: str | None) -> Any:
        """The message in `data` if it has the usual form and is to be accepted, else None, or one of the
        exceptions above. Changes nothing.

        One long function in each path: a call costs a fiftieth of the whole.
        """
