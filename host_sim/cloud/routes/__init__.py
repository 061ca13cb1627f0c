"""The endpoints, a module a subject. Each checks who asks, asks the catalogue, the gate or the exchange, and
turns what they say into the seed's shapes; none holds state or speaks SQL.
"""

from fastapi import APIRouter

from host_sim.cloud.routes import (
    absent,
    auth,
    bootstrap,
    clients,
    commands,
    devices,
    firmware,
    mqtt,
    pages,
    system,
    tenant,
)

ROUTERS: tuple[APIRouter, ...] = (
    system.router,
    absent.router,
    auth.router,
    clients.router,
    pages.router,
    tenant.router,
    commands.router,
    bootstrap.router,
    mqtt.router,
    firmware.router,
    devices.router,
)
