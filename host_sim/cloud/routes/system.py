"""Status, versions."""

from fastapi import APIRouter

from hxtp_device import VERSION

router = APIRouter(tags=["system"])


@router.get("/status")
def status() -> dict:
    """System status."""
    return {
        "system": "HXTP Cloud",
        "status": "operational",
        "beta": True,
        "version": VERSION,
        "protocol": "HxTP/3.0",
    }


@router.get("/version")
def version() -> dict:
    """The version of the API's implementation and of the protocol."""
    return {"version": VERSION, "protocol": "HxTP/3.0"}
