"""Runs first at every start, also before a prompt: what counts starts is in main.py, for programs alone."""

import gc

gc.threshold(4096)  # collected early and often, a small heap does not crumble while modules are loaded
