"""Runs first at every start: counts failed starts and decides whether this one is in safe mode."""

import gc

gc.threshold(4096)  # collected early and often, a small heap does not crumble while modules are loaded

from hxtp_device import guard  # noqa: E402

guard.start()
