"""The endpoints, a module a subject. Each checks who asks, asks the catalogue, the gate or the exchange, and
turns what they say into the seed's shapes; none holds state or speaks SQL.
"""

from fastapi import APIRouter

from host_sim.cloud.routes import (
    absent,
    auth,
    bootstrap,
    clients,
    cognition,
    commands,
    devices,
    firmware,
    firmware_check,
    groups,
    homes,
    intent,
    manifests,
    mqtt,
    pages,
    states,
    system,
    telemetry,
    tenant,
    together,
)

# Looked through from the beginning for each request: what is asked most often comes first.
ROUTERS: tuple[APIRouter, ...] = (
    commands.router,
    together.router,
    system.router,
    absent.router,
    auth.router,
    clients.router,
    pages.router,
    tenant.router,
    homes.router,
    groups.router,
    manifests.router,
    bootstrap.router,
    mqtt.router,
    firmware_check.router,
    firmware.router,
    intent.router,
    cognition.router,
    telemetry.router,
    states.router,
    devices.router,
)
