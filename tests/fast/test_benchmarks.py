"""The benchmarks measure what they say. How fast anything was decides nothing here."""

import json
import subprocess
import sys

import pytest

from host_sim import ROOT, fast
from host_sim.bench import fleet, fuzz, load, rows, sizes, timing, verify
from host_sim.bench import micropython as on_micropython
from host_sim.bench.__main__ import GROUPS, main
from host_sim.broker.authority import OpenAuthority
from host_sim.broker.server import ThreadedBroker
from hxtp import sign
from tests.fast.comparing import taken

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
    assert len(names) == len(set(names))


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


def test_the_devices_of_the_fleet_are_ready():
    done = subprocess.run(
        [sys.executable, "-c", "from host_sim.bench import fleet; print(fleet.grown(50))"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=ROOT,
    )
    assert float(done.stdout) >= 0
    assert fleet.DEVICES >= 10_000


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
