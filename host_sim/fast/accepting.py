"""What the fast paths share: they only ever accept, and leave everything else to `hxtp`.

A fast path reads the form in which messages are usually written, and accepts one in which every rule of
`hxtp.envelope` holds. What has another form, and what would be refused, `hxtp` judges itself. So a fast
path must never accept what `hxtp` refuses; a verdict other than acceptance it cannot give at all.
"""

import struct
from typing import Any

from hxtp import envelope

# What reading a message of another form can raise.
UNUSUAL = (ValueError, LookupError, StopIteration, RecursionError, struct.error)


class AcceptingVerifier(envelope.Verifier):
    """A Verifier that gives hxtp's verdicts, acceptance sooner.

    Each path's `judge` is one long function: a call costs a fiftieth of the whole.
    """

    def by_hxtp(self, data: bytes, now: int | None, channel: str | None) -> Any:
        """The verdict on a message that the fast path does not accept."""
        return envelope.Verifier.judge(self, data, now, channel)
