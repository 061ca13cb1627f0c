"""The benchmarks measure what they say. How fast anything was decides nothing here."""

import json
import random
import subprocess
import sys

import pytest

from host_sim import ROOT, fast
from host_sim.bench import first_command, fleet, fuzz, load, plot, rows, sizes, timing, verify, verify_sdk
from host_sim.bench import micropython as on_micropython
from host_sim.bench.__main__ import GROUPS, main
from host_sim.broker.authority import OpenAuthority
from host_sim.broker.server import ThreadedBroker
from hxtp import sign
from tests.fast.comparing import taken

ROWS = {
    "verify_hxtp",
    "verify_stdlib",
    "verify_fast",
    "broker_tcp",
    "fleet_bytes_per_device",
    "hmac_micropython_us",
    "hmac_micropython_bytes",
    "mpy_bytes_protocol",
    "mpy_bytes_device",
    "firmware_min_heap",
    "fuzz_step_us",
    "rest_to_ack",
    "rest_to_ack_batch",
    "rest_to_ack_room",
    "rest_to_ack_postgresql",
    "rest_to_ack_batch_postgresql",
    "rest_to_ack_room_postgresql",
    "first_command",
    "ingest",
    "ingest_exchange",
    "hello_storm",
    "heartbeats_postgresql",
    "postgresql_bytes_per_device",
    "mosquitto_login_1k_ms",
    "mosquitto_login_10k_ms",
}
NAMES = {"name", "value", "unit", "floor", "peer", "runs"}


def test_bench_json_is_a_list_of_rows(tmp_path):
    found = [
        rows.Row("verify_fast", 200_000.0, "1/s", 320_000.0, None, 21, "a note"),
        rows.Row("mpy_bytes_protocol", 12_000, "bytes"),
    ]
    target = tmp_path / "build" / "bench.json"
    rows.write(found, target)
    read = json.loads(target.read_text())
    assert [set(row) for row in read] == [NAMES, NAMES]
    assert read[0] == {
        "name": "verify_fast",
        "value": 200_000.0,
        "unit": "1/s",
        "floor": 320_000.0,
        "peer": None,
        "runs": 21,
    }
    table = rows.table(found)
    assert "0.62" in table  # of its floor
    assert "verify_fast: a note" in table


def test_each_row_belongs_to_one_group():
    names = [name for group in GROUPS.values() for name in group]
    assert sorted(names) == sorted(ROWS)


def test_a_row_alone_and_one_that_is_not_there(tmp_path, capsys):
    target = tmp_path / "bench.json"
    assert main(["mpy_bytes_protocol", "--json", str(target)]) == 0
    assert [row["name"] for row in json.loads(target.read_text())] == ["mpy_bytes_protocol"]
    assert "mpy_bytes_protocol" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["verify_everything"])


def test_the_sizes_are_those_of_what_a_device_loads():
    protocol, device = sizes.measure()
    assert 5_000 < protocol.value < device.value


def test_the_pieces_of_work_take_turns():
    story = []
    spent = timing.interleaved({"a": lambda: story.append("a"), "b": lambda: story.append("b")}, runs=3)
    assert story == ["a", "b"] * 4
    assert set(spent) == {"a", "b"}


@pytest.mark.parametrize("path", fast.PATHS)
def test_every_command_of_the_benchmark_is_accepted_by_the_path_that_is_measured(path):
    data = verify.messages()
    assert {len(message) for message in data} == {665}
    dispatch = verify.Dispatcher(path, sign.Key)
    dispatch(data)
    assert dispatch._called == {"light_on": len(data)}
    if path != "hxtp":
        verifier = fast.verifier(1, [(fast.Key(verify.SECRET), verify.Floor())], path=path)
        assert all(taken(verifier, message, verify.NOW, "cmd") is not None for message in data)


def test_the_floors_do_their_work():
    data = verify.messages()[:2]
    verify.floor_stdlib(data)
    verify.floor_msgspec()(data)


def test_the_load_counts_only_what_arrives():
    with ThreadedBroker(authority=OpenAuthority()) as broker:
        assert load.run(broker.port, 10 * load.BATCH) > 0
        assert broker.counts.sent == 10 * load.BATCH + 1


def test_a_newcomer_is_measured_by_the_commands_of_the_page():
    page = (ROOT / "docs" / "cloud.md").read_text(encoding="utf-8").splitlines()
    for words in (first_command.CLOUD, first_command.DEVICE, first_command.COMMAND):
        assert f".venv/bin/python -m host_sim {words}" in page


def test_a_program_that_a_newcomer_starts_in_vain_says_why(tmp_path):
    run = first_command._Run(tmp_path)
    with run._started("cloud --port nonsense") as process, pytest.raises(OSError, match="--port must be a"):
        run._read(process, "API https://")


def test_the_devices_of_the_fleet_are_ready():
    devices = []
    fleet.grown(50, random.Random(1), devices)
    assert {device.session.state for device in devices} == {"READY"}
    assert fleet.heartbeats(devices, fleet.START + 60_000) == len(devices) == 50
    assert fleet.DEVICES >= 10_000


def test_bare_connections_are_accepted_by_the_broker():
    with ThreadedBroker(authority=OpenAuthority()) as broker:
        arguments = ["-m", "host_sim.bench.fleet_clients", "raw", str(broker.port), "5"]
        done = subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
        )
    assert float(done.stdout) >= 0


def test_the_sdk_accepts_every_command_of_its_benchmark():
    name, verify_all = verify_sdk.verifying(3, {"action": "light_on"}, "d" * 32, "tenant-1", "client")
    verify_all()
    assert name.startswith("hxtp-py ")


def test_the_fuzzers_floor_follows_the_same_rules(monkeypatch):
    monkeypatch.setattr(fuzz, "EXAMPLES", 3)
    monkeypatch.setattr(fuzz, "RUNS", 1)
    (row,) = fuzz.measure()
    assert row.value > 0
    assert row.floor > 0


@pytest.mark.platform_impossible
def test_an_hmac_on_micropython_allocates_no_copy_of_the_message(micropython):
    if micropython.bits != 32:
        pytest.skip("the row is for 32 bits")
    _, allocated = on_micropython.measure()
    assert allocated.value < 500


@pytest.mark.parametrize(
    ("row", "share", "words"),
    [
        ({"name": "rest_to_ack", "value": 1000, "unit": "1/s", "floor": None}, 2, "1,000 1/s (aim ≥ 500)"),
        (
            {"name": "verify_hxtp", "value": 15, "unit": "1/s", "floor": 100},
            0.5,
            "0.15 of the floor (aim ≥ 0.3)",
        ),
        (
            {"name": "fuzz_step_us", "value": 400, "unit": "us", "floor": 100},
            0.5,
            "4.00 of the floor (aim ≤ 2)",
        ),
        (
            {"name": "mpy_bytes_device", "value": 50_000, "unit": "bytes", "floor": None},
            0.8,
            "(aim ≤ 40,000)",
        ),
    ],
)
def test_the_picture_shows_each_row_as_a_share_of_its_aim(row, share, words):
    assert plot.reached(row) == pytest.approx(share)
    drawn = plot.svg([row, {"name": "hello_storm", "value": 1, "unit": "1/s", "floor": None}])
    assert row["name"] in drawn and words in drawn and "hello_storm" not in drawn
    assert (plot.MET in drawn, plot.MISSED in drawn) == (share >= 1, share < 1)


def test_every_aim_in_the_picture_is_of_a_row_that_is_measured():
    assert set(plot.AIMS) <= {name for names in GROUPS.values() for name in names}


def test_without_figures_the_picture_says_how_to_make_them(tmp_path, capsys):
    assert plot.main([str(tmp_path / "bench.json")]) == 2
    assert "make bench" in capsys.readouterr().err
