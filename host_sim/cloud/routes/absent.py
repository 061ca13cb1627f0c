"""What clients of the published API may ask for and this cloud does not have: it says why, and what to do."""

from typing import Annotated, NoReturn

from fastapi import APIRouter, Path

from host_sim.cloud.access import scoped
from host_sim.cloud.callers import Caller
from host_sim.cloud.errors import ApiError, errors
from host_sim.cloud.security.roles import ANY

router = APIRouter(responses=errors("NOT_IMPLEMENTED"))

Id = Annotated[str, Path(min_length=1, max_length=128, examples=["1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b"])]


def _absent(what: str, hint: str) -> NoReturn:
    raise ApiError(501, "NOT_IMPLEMENTED", f"this cloud has no {what}", hint)


@router.get("/plans", tags=["intent"], status_code=501)
@router.post("/plans", tags=["intent"], status_code=501)
def plans(caller: Caller = scoped("viewer", ANY)) -> None:
    """Plans of several steps with a way back are not executed here. A scene does several things at once."""
    _absent("plans", "send the commands one by one, or keep them as a scene: POST /scenes")


@router.get("/plans/{plan_id}", tags=["intent"], status_code=501)
def plan(plan_id: Id, caller: Caller = scoped("viewer", ANY)) -> None:
    """There are no plans, and so no state of one. `GET /commands/ID` tells what became of a command."""
    _absent("plans", "GET /commands/ID tells what became of a command")


@router.get("/agents/{agent_id}/memories", tags=["intent"], status_code=501)
@router.post("/agents/{agent_id}/memories", tags=["intent"], status_code=501)
def memories(agent_id: Id, caller: Caller = scoped("viewer", ANY)) -> None:
    """Agents with memories do not exist here. Intents are routed by fixed words, rules are data."""
    _absent("agents, and so no memories of them", "see /intent, /scenes and /cognition/rules")


@router.post("/firmware/build", tags=["firmware"], status_code=501)
def build(caller: Caller = scoped("admin", ANY)) -> None:
    """Building firmware is not done here. It is built where its sources are, and uploaded."""
    _absent("build service", "build the image yourself: make firmware; then POST /firmware/upload")


@router.post("/device/claim", tags=["devices"], status_code=501)
def claim(caller: Caller = scoped("admin", ANY)) -> None:
    """Claiming by a device is not done here. Somebody registers it, and gives it the secret."""
    _absent("claims by a device", "POST /device/register, and put what it answers into the device")


@router.get("/state/verification/{verification_id}", tags=["devices"], status_code=501)
@router.post("/state/verification/{verification_id}", tags=["devices"], status_code=501)
def verification(verification_id: Id, caller: Caller = scoped("viewer", ANY)) -> None:
    """Verifying states is not done apart. Every state is verified before it is stored."""
    _absent(
        "separate verification of states",
        "a state that is stored was signed by its device: GET /devices/ID/state",
    )
