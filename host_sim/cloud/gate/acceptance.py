"""What became of an order, for whoever asked: waiting until it is stored, and the words where it is not.

Must never call what may be stored refused, nor advise to order it again.
"""

import asyncio
import logging

from host_sim.cloud.errors import ApiError, conflict, not_found
from host_sim.cloud.links.orders import Acceptance, IdUsed, Unavailable
from host_sim.cloud.storage.database import reason_of
from host_sim.cloud.storage.patience import left
from hxtp.errors import BUFFER_OVERFLOW, DEVICE_NOT_FOUND, HxtpError

log = logging.getLogger(__name__)

ACCEPT_S = 20  # that an order may take to become durable, where whoever asks waits that long


def used() -> ApiError:
    return conflict(
        "IDEMPOTENCY_CONFLICT",
        "this Idempotency-Key was used for another command",
        "take a new key for a new command",
    )


def away(error: Exception) -> ApiError:
    """For one of several commands, whose others may be on their way: nobody is to order these again."""
    log.error("who has to say yes to a command could not be asked: %s", reason_of(error))
    return ApiError(
        503, "GATEWAY_ERROR", "the database does not answer now", "try again for this device alone"
    )


async def done(future: Acceptance) -> None:
    """Wait on an event loop, as long as an order may take."""
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()

    def tell() -> None:
        if not waiter.done():
            waiter.set_result(None)

    future.add_done_callback(lambda unused: loop.call_soon_threadsafe(tell))
    timer = loop.call_later(left(ACCEPT_S), tell)
    try:
        await waiter
    finally:
        timer.cancel()


def result(order: Acceptance, most: float = ACCEPT_S) -> str:
    """The id of a command that is stored now; any other is withdrawn. Raises ApiError."""
    try:
        return order.within(left(most))
    except IdUsed:
        raise used() from None
    except HxtpError as refusal:
        if refusal.code == DEVICE_NOT_FOUND:
            raise not_found("device") from None
        if refusal.code == BUFFER_OVERFLOW:
            raise ApiError(
                429, "RATE_LIMIT_EXCEEDED", refusal.detail, "wait until some are done", {"Retry-After": "10"}
            ) from None
        raise ApiError(400, "PARAMS_INVALID", refusal.detail or refusal.code) from None
    except Unavailable as error:
        hint, more = error.hint, {}
        if error.command_id is not None:
            # To try again would be one more command.
            hint = (
                f"GET /commands/{error.command_id}: if it is there it is carried out; if it is 404, try again"
            )
            more = {"command_id": error.command_id}
        raise ApiError(503, "GATEWAY_ERROR", str(error), hint, {"Retry-After": "5"}, **more) from None
