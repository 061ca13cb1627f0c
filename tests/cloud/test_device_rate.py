"""A device that sends more than it may is slowed down by the embedded broker, and holds up nobody else."""

import socket
import ssl

import pytest
import sqlalchemy as sa

from host_sim.broker.packets import Connack, Connect, Pingreq, Publish
from host_sim.cloud.server import MAX_PACKET, SERVICE, _limits
from host_sim.cloud.storage.tables import broker_logins
from hxtp import sign
from tests.cloud.waiting import until


@pytest.fixture
def flooding(cloud, api):
    """A socket of a device that has logged in."""
    made = api("owner", "other").post("/device/register", json={"device_type": "x"}).json()
    name = made["device_id"]
    with cloud.services.database.reading() as connection:
        expiry = connection.execute(
            sa.select(broker_logins.c.expires_s).where(broker_logins.c.device_id == name)
        ).scalar_one()
    password = sign.mqtt_password(bytes.fromhex(made["device_secret"]), name, expiry)
    tls = ssl.create_default_context(cafile=str(cloud.pki.ca))
    address = ("127.0.0.1", cloud.broker.port)
    with tls.wrap_socket(socket.create_connection(address, 10), server_hostname="127.0.0.1") as sock:
        sock.sendall(Connect(f"hxtp-{name}", username=name, password=password.encode()).encode())
        assert sock.recv(4) == Connack(0).encode()
        yield sock


def test_a_flood_waits_and_others_do_not(api, cloud, device, flooding):
    lamp = device()
    before = cloud.broker.counts.throttled
    flooding.sendall(Pingreq().encode() * 600)
    until(lambda: cloud.broker.counts.throttled > before, "the flood to be slowed down")
    assert api().command(lamp.id, "light_on")["status"] == "acknowledged"
    assert flooding.recv(1)  # it is slowed down, not cut off


def test_the_cloud_itself_has_no_rate(cloud):
    assert SERVICE in cloud.broker.server.broker.unmetered
    assert cloud.broker.server.broker.settings == _limits(50)


def test_a_bench_can_do_without_the_rate():
    assert _limits(0).max_packet_rate == 0
    assert (_limits(50).max_packet_rate, _limits(50).max_packet_burst) == (50, 500)


def test_a_packet_that_no_message_fills_ends_the_connection(cloud, flooding):
    before = cloud.broker.counts.protocol_errors
    flooding.sendall(Publish("hxtp/home/device/x/state", bytes(MAX_PACKET)).encode()[:100])
    flooding.settimeout(20)
    assert flooding.recv(1) == b"" and cloud.broker.counts.protocol_errors == before + 1
