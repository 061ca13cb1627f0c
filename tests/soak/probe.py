"""A part that tells each run on the console, and in the ack how much heap is free. Copied onto a board.

It must never keep anything that grows: the host counts.
"""

import gc

from capabilities import Part

_ACTIONS = {"probe_run": (65535, "Tell of one run", {"n": {"type": "integer", "required": True}})}


class Capability(Part):
    KIND = "probe"
    ACTIONS = _ACTIONS

    def __init__(self, name, options, context):
        super().__init__(name, context)

    def probe_run(self, params):
        print("probe: ran", params["n"])
        gc.collect()
        return {"free": gc.mem_free()}

    def state(self):
        return {}
