"""The gateway as a client of a real broker over TLS, with devices on real connections."""

import logging
import os
import queue
import ssl
import stat
import threading
import time

import paho.mqtt.client as mqtt
import pytest

from host_sim.broker.authority import User, UserAuthority
from host_sim.broker.server import ThreadedBroker
from host_sim.device import SimDevice
from host_sim.device_mqtt import MqttDevice
from host_sim.gateway.gateway import Gateway, GatewayError
from host_sim.gateway.store import Registration
from host_sim.pki import make_pki
from hxtp.errors import DEVICE_NOT_FOUND, HxtpError
from hxtp.sign import mqtt_password

WAIT = 20  # seconds, for whatever must come; never reached when all is well


@pytest.fixture
def join(bench):
    """join() is a new device, connected over TLS."""
    running = []

    def make(registration: Registration | None = None, secret: bytes | None = None) -> MqttDevice:
        registration = registration or bench.gateway.register("simulated")
        device = SimDevice(
            registration.device_id, registration.tenant_id, secret or registration.secret, os.urandom
        )
        joined = MqttDevice(device, bench.broker.port, registration.password_expiry, bench.pki.ca).start()
        running.append(joined)
        return joined

    yield make
    for device in running:
        device.stop()


def until(events: queue.SimpleQueue, kind: str):
    end = time.monotonic() + WAIT
    while True:
        notice = events.get(timeout=max(0.01, end - time.monotonic()))
        if notice.kind == kind:
            return notice


def test_commands_are_acknowledged_through_the_broker(bench, join):
    events = bench.gateway.events()
    device = join()
    hello = until(events, "hello")
    assert hello.device_id == device.device.device_id and hello.body["boot_count"] == 1
    tickets = [bench.gateway.command(device.device.device_id, "relay_toggle") for _ in range(21)]
    for ticket in tickets:
        assert ticket.wait(WAIT).executed
    assert device.device.parts[1].on and len(device.device.runs) == 21
    assert bench.gateway.device(device.device.device_id).online


def test_a_command_is_in_the_store_before_its_ticket_is_given(bench):
    device_id = bench.gateway.register("simulated").device_id
    for _ in range(5):
        ticket = bench.gateway.command(device_id, "relay_toggle")
        assert ticket.message_id in (bench.folder / "devices.json").read_text()


def test_a_command_that_cannot_be_stored_is_refused_and_forgotten(bench, monkeypatch):
    device_id = bench.gateway.register("simulated").device_id

    def full(text):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(bench.store._file, "write", full)
        with pytest.raises(OSError, match="No space"):
            bench.gateway.command(device_id, "relay_toggle")
    assert bench.gateway.device(device_id).pending == ()
    ticket = bench.gateway.command(device_id, "relay_toggle")
    assert bench.gateway.device(device_id).pending == (ticket,)


def test_two_devices_get_only_their_own_commands(bench, join):
    one, other = join(), join()
    bench.gateway.command(one.device.device_id, "light_on").wait(WAIT)
    bench.gateway.command(other.device.device_id, "relay_on").wait(WAIT)
    assert one.device.parts[0].brightness == 100 and not one.device.parts[1].on
    assert other.device.parts[0].brightness == 0 and other.device.parts[1].on


def test_after_an_outage_what_was_queued_is_delivered_and_state_catches_up(bench, join):
    device = join()
    bench.gateway.command(device.device.device_id, "light_on").wait(WAIT)
    events = bench.gateway.events()
    bench.broker.cut()
    ticket = bench.gateway.command(device.device.device_id, "light_brightness", {"brightness": 30})
    bench.broker.restore()
    assert ticket.wait(WAIT).executed
    while until(events, "state").body["brightness"] != 30:
        pass
    assert bench.gateway.connected


def test_power_loss_in_the_middle_of_a_command_is_told_as_outcome_unknown(bench, join):
    device = join()
    bench.gateway.command(device.device.device_id, "light_on").wait(WAIT)
    device.device.cut_in_command = "after"
    ticket = bench.gateway.command(device.device.device_id, "relay_toggle")
    while device.device.powered:
        time.sleep(0.01)
    device.reboot()
    assert ticket.wait(WAIT).error == "OUTCOME_UNKNOWN"
    assert [run.action for run in device.device.runs] == ["light_on", "relay_toggle"]


def test_a_new_gateway_process_goes_on_where_the_last_one_stopped(bench, join):
    device = join()
    bench.gateway.command(device.device.device_id, "light_on").wait(WAIT)
    bench.gateway.stop()
    bench.gateway = bench.new_gateway().start()
    assert bench.gateway.command(device.device.device_id, "light_off").wait(WAIT).executed
    assert device.device.session.refused.keys() <= {"PROTOCOL_NOT_READY"}


def test_a_device_with_a_wrong_secret_does_not_get_past_the_broker(bench, join):
    device = join(secret=b"\xcd" * 32)
    end = time.monotonic() + WAIT
    while not device.refusals and time.monotonic() < end:
        time.sleep(0.01)
    assert "not authorized" in device.refusals[0].lower()


def test_the_password_is_the_devices_own_and_ends(bench):
    registration = bench.gateway.register("simulated")
    check, now = bench.store.check_password, 1777200000
    device_id, secret = registration.device_id, registration.secret
    assert check(device_id, mqtt_password(secret, device_id, now + 60), now)
    for expiry in (now, now - 1, now + 31 * 86400, 0):
        assert not check(device_id, mqtt_password(secret, device_id, expiry), now)
    good = mqtt_password(secret, device_id, now + 60)
    for bad in (
        "",
        "1",
        "1..",
        good[:-1],
        good + "0",
        good.upper(),
        "2" + good[1:],
        secret.hex(),
        f"1.+{now}.ab",
    ):
        assert not check(device_id, bad, now)
    assert not check("f" * 32, good, now)
    assert not check(device_id, mqtt_password(b"\xcd" * 32, device_id, now + 60), now)


def test_a_service_may_speak_on_a_devices_topic_and_is_still_refused(bench, join):
    device = join()
    bench.gateway.command(device.device.device_id, "light_on").wait(WAIT)
    events = bench.gateway.events()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.tls_set_context(ssl.create_default_context(cafile=str(bench.pki.ca)))
    client.username_pw_set("intruder", bench.services["intruder"])
    client.connect("127.0.0.1", bench.broker.port)
    client.loop_start()
    try:
        topic = f"hxtp/home/device/{device.device.device_id}/state"
        client.publish(topic, b"{}", qos=1).wait_for_publish(WAIT)
        notice = until(events, "refused")
    finally:
        client.disconnect()
        client.loop_stop()
    assert (notice.code, notice.topic) == ("VERSION_MISMATCH", topic)


def test_a_listener_that_fails_or_asks_back_does_not_stop_the_others(bench, join, caplog):
    heard = []

    def bad(notice):
        bench.gateway.devices()

    bench.gateway.listen(bad)
    end = bench.gateway.listen(heard.append)
    device = join()
    bench.gateway.command(device.device.device_id, "light_on").wait(WAIT)
    end_of_wait = time.monotonic() + WAIT
    wanted = {"hello", "state", "settled"}
    while not wanted <= {notice.kind for notice in heard} and time.monotonic() < end_of_wait:
        time.sleep(0.01)
    assert wanted <= {notice.kind for notice in heard}
    assert "a listener failed" in caplog.text
    end()
    bench.gateway.command(device.device.device_id, "light_off").wait(WAIT)  # whatever was being told is told
    count = len(heard)
    bench.gateway.command(device.device.device_id, "light_on").wait(WAIT)
    assert len(heard) == count


def test_what_was_asked_wrongly_is_told_to_who_asked(bench):
    with pytest.raises(HxtpError) as refusal:
        bench.gateway.command("f" * 32, "light_on")
    assert refusal.value.code == DEVICE_NOT_FOUND


def test_a_gateway_that_cannot_start_says_why(bench, tmp_path):
    with ThreadedBroker() as silent:
        port = silent.port
        silent.cut(silent=True)
        with pytest.raises(GatewayError, match=r"does not answer|timed out"):
            Gateway(tmp_path / "one", port).start(1.0)
    with pytest.raises(GatewayError, match="cannot reach the broker"):
        Gateway(tmp_path / "one", port).start()
    with pytest.raises(GatewayError, match="Not authorized"):
        Gateway(
            tmp_path / "one", bench.broker.port, ca_file=bench.pki.ca, username="gateway", password="wrong"
        ).start()
    other = make_pki(tmp_path / "other")
    with pytest.raises(GatewayError, match="CERTIFICATE_VERIFY_FAILED"):
        Gateway(tmp_path / "one", bench.broker.port, ca_file=other.ca).start()
    users = UserAuthority({"gateway": User("password", subscribe=("hxtp/other/#",))})
    with (
        ThreadedBroker(authority=users) as strict,
        pytest.raises(GatewayError, match="does not let this user read"),
    ):
        Gateway(tmp_path / "one", strict.port, username="gateway", password="password").start()


def test_certificates_pass_strict_verification_and_are_kept(tmp_path):
    pki = make_pki(tmp_path)
    before = [path.read_bytes() for path in sorted(tmp_path.iterdir())]
    modes = {"ca-key.pem": 0o600, "server-key.pem": 0o600, "ca.pem": 0o644, "server.pem": 0o644}
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == modes
    pki.ca.chmod(0o600)  # as an earlier version left it
    make_pki(tmp_path)
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == before
    assert stat.S_IMODE(pki.ca.stat().st_mode) == 0o644
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pki.certificate, pki.key)
    with ThreadedBroker(tls=server) as broker:
        for name in ("localhost", "127.0.0.1"):
            strict = ssl.create_default_context(cafile=str(pki.ca))
            strict.verify_flags |= ssl.VERIFY_X509_STRICT | getattr(ssl, "VERIFY_X509_PARTIAL_CHAIN", 0)
            client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
            client.tls_set_context(strict)
            assert client.connect(name, broker.port) == mqtt.MQTT_ERR_SUCCESS
            client.disconnect()


def test_no_secret_is_logged_or_printed(bench, join, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    device = join()
    bench.gateway.command(device.device.device_id, "light_on").wait(WAIT)
    bench.gateway.command(device.device.device_id, "nonsense").wait(WAIT)
    registration = bench.store.registration(device.device.device_id)
    password = mqtt_password(registration.secret, registration.device_id, registration.password_expiry)
    out, err = capfd.readouterr()
    told = caplog.text + out + err + repr(bench.gateway.devices()) + repr(registration)
    for secret in (registration.secret.hex(), repr(registration.secret), password, *bench.services.values()):
        assert secret not in told


def test_no_thread_outlives_the_bench(bench, join):
    device = join()
    bench.gateway.command(device.device.device_id, "light_on").wait(WAIT)
    device.stop()
    bench.stop()
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if "gateway" in name or "broker" in name or "paho" in name], names
