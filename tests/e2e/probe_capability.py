"""A part that tells how often it ran and how much heap is free. Copied onto the board under test."""

import gc

from capabilities import Part


class Capability(Part):
    KIND = "probe"
    ACTIONS = {"probe_run": (65535, "Count one run", {"n": {"type": "integer", "required": True}})}

    def __init__(self, name, options, context):
        super().__init__(name, context)
        self.runs = 0

    def probe_run(self, params):
        self.runs += 1
        gc.collect()
        return {"runs": self.runs, "n": params["n"], "free": gc.mem_free()}

    def state(self):
        return {}
