"""What the gateway knows after a crash, and what it never repeats."""

import json
import stat

import pytest

from host_sim.gateway.store import MemoryFile, Store, StoreError
from tests.gateway.house import START, Random


def numbers(house) -> list[int]:
    return [json.loads(payload[8:])["sequence_number"] for payload in house.sent("cmd")]


def test_outgoing_numbers_keep_rising_over_restarts(house):
    device = house.join()
    for _ in range(3):
        ticket = house.gateway.command(device.device.device_id, "relay_toggle")
        house.run(500)
        assert ticket.executed
        house.start_gateway()
    house.run(500)
    sent = numbers(house)
    assert sent == sorted(set(sent)) and len(sent) == 4


def test_numbers_used_in_answers_to_stale_hellos_are_not_used_again(house):
    device = house.join()
    hello = house.sent("hello", "hello")[0]
    intruder = house.intruder()
    for _ in range(3):
        house.run(6000)
        intruder.publish(f"hxtp/home/device/{device.device.device_id}/hello", hello, qos=1)
        house.step()
        house.start_gateway()
    house.run(500)
    sent = numbers(house)
    assert len(sent) == 4 and sent == sorted(set(sent))


def test_a_command_in_flight_is_sent_again_with_the_same_message_id_and_runs_once(house):
    device = house.join()
    ticket = house.gateway.command(device.device.device_id, "relay_toggle")
    house.gateway.step()
    device.step()
    house.start_gateway()  # the ack arrives while nobody listens
    again = house.gateway.hub.ticket(ticket.message_id)
    assert again.state == "dispatched"
    house.run(11000)
    assert again.executed and again.attempts == 2
    ids = [json.loads(payload[8:])["message_id"] for payload in house.sent("cmd", "command")]
    assert ids == [ticket.message_id] * 2
    assert len(device.device.runs) == 1


def test_a_command_that_waits_is_not_forgotten(house):
    registration = house.gateway.register()
    ticket = house.gateway.command(registration.device_id, "light_on")
    house.gateway.step()
    house.start_gateway()
    device = house.join(registration)
    house.step()
    assert house.gateway.hub.ticket(ticket.message_id).executed
    assert device.device.parts[0].brightness == 100


def test_a_reboot_that_the_gateway_missed_still_ends_in_outcome_unknown(house):
    device = house.join()
    device.device.cut_in_command = "after"
    ticket = house.gateway.command(device.device.device_id, "relay_toggle")
    house.step()
    house.start_gateway()
    device.device.reboot()
    house.run(15000)
    again = house.gateway.hub.ticket(ticket.message_id)
    assert (again.state, again.error) == ("failed", "OUTCOME_UNKNOWN")
    assert len(device.device.runs) == 1


def test_a_message_taken_before_the_restart_is_refused_after_it(house):
    device = house.join()
    state = house.sent("state", "state")[0]
    house.start_gateway()
    house.step()
    house.intruder().publish(f"hxtp/home/device/{device.device.device_id}/state", state, qos=1)
    house.step()
    assert house.refusals() == ["SEQUENCE_VIOLATION"]


def test_the_device_needs_no_new_hello_when_only_the_gateway_restarted(house):
    device = house.join()
    house.start_gateway()
    house.step()
    ticket = house.gateway.command(device.device.device_id, "light_on")
    house.step()
    assert ticket.executed and len(house.sent("hello", "hello")) == 1
    known = house.gateway.hub.device(device.device.device_id, house.network.now)
    assert known.manifest and known.boot_count == 1


class FullDisk(MemoryFile):
    full = False

    def write(self, text: str) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        super().write(text)


def test_nothing_leaves_that_could_not_be_stored(house):
    device = house.join()
    file = house.gateway.hub.store._file = FullDisk(house.file.text)
    ticket = house.gateway.command(device.device.device_id, "relay_toggle")
    file.full = True
    before = len(house.wire)
    with pytest.raises(OSError, match="No space"):
        house.gateway.step()
    assert len(house.wire) == before and not ticket.done()
    file.full = False
    house.run(11000)
    assert ticket.executed and len(device.device.runs) == 1


def test_a_ticket_that_was_given_out_survives_a_kill_at_once(house):
    device = house.join()
    ticket = house.gateway.command(device.device.device_id, "relay_toggle")
    house.start_gateway()
    assert house.gateway.hub.ticket(ticket.message_id) is not None
    house.run(11000)
    assert [run.message_id for run in device.device.runs] == [ticket.message_id]


def test_a_command_that_cannot_be_stored_is_not_accepted_and_never_runs(house):
    device = house.join()
    file = house.gateway.hub.store._file = FullDisk(house.file.text)
    file.full = True
    with pytest.raises(OSError, match="No space"):
        house.gateway.command(device.device.device_id, "relay_toggle")
    file.full = False
    house.run(11000)
    assert device.device.runs == []
    assert house.gateway.hub.device(device.device.device_id, house.network.now).pending == ()
    ticket = house.gateway.command(device.device.device_id, "relay_toggle")
    house.run(1000)
    assert ticket.executed


def test_the_store_is_for_its_owner_alone_and_replaced_whole(tmp_path):
    folder = tmp_path / "data"
    store = Store(folder, random=Random(b"store"))
    registration = store.register("light", START // 1000)
    store.close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "devices.json").stat().st_mode) == 0o600
    assert sorted(path.name for path in folder.iterdir()) == ["devices.json", "lock"]
    (folder / "devices.json").chmod(0o644)
    again = Store(folder)
    assert stat.S_IMODE((folder / "devices.json").stat().st_mode) == 0o600
    assert again.registration(registration.device_id) == registration
    again.close()


def test_two_gateways_cannot_share_a_store(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(StoreError, match="is used by another process"):
        Store(tmp_path)
    store.close()
    Store(tmp_path).close()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format":1}', '{"format":2}', '{"format":1,"devices":{"a":{}}}']
)
def test_a_damaged_store_is_named_and_left_alone(tmp_path, text):
    (tmp_path / "devices.json").write_text(text)
    with pytest.raises(StoreError, match=r"devices\.json"):
        Store(tmp_path)
    assert (tmp_path / "devices.json").read_text() == text
    (tmp_path / "devices.json").unlink()
    Store(tmp_path).close()  # the failed attempt holds no lock


def test_a_device_id_is_a_uuid_without_hyphens_and_its_secret_shows_nowhere(tmp_path):
    store = Store(tmp_path)
    registration = store.register("light", START // 1000)
    store.close()
    assert len(registration.device_id) == 32 and registration.device_id[12] == "4"
    assert len(registration.secret) == 32
    assert registration.secret.hex() not in repr(registration) and repr(registration.secret) not in repr(
        registration
    )
