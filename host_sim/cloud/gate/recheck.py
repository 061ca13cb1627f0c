"""Whether a command that has not left may still leave, when the device can do something else by now.

Must never let one pass that the gate would refuse, nor raise because of what a device wrote.
"""

import logging
from collections.abc import Mapping
from typing import Any

from host_sim.cloud.catalogue.targets import Target
from host_sim.cloud.errors import ApiError
from host_sim.cloud.gate.judge import ASKS, Asked, judge
from hxtp.cloud import Order
from hxtp.errors import INTERNAL_ERROR
from hxtp.jsonscan import loads
from hxtp.registry import ACTION, DRY_RUN

log = logging.getLogger(__name__)


def refusal(device_id: str, order: Order, passed_as: str, manifest: Mapping[str, Any]) -> str | None:
    """The code that it has to end with under this manifest (HX3-MAN-25); None where it may leave.

    `passed_as`: what somebody said yes to when it was ordered.
    """
    params = loads(order.body)
    dry_run = params.pop(DRY_RUN, None) is True
    del params[ACTION]
    try:
        passed = judge(
            Target(False, manifest, False), device_id, Asked(order.action, params, dry_run, coerce=False)
        )
    except ApiError as error:
        return error.code
    except Exception:  # a fault of ours; one device's manifest must not end the others' service
        log.exception("fault while judging a command for %s", device_id)
        return INTERNAL_ERROR
    if dry_run or passed.has(passed_as):
        return None
    return ASKS[passed.safety].upper()
