"""Faults for real clients: what a plan says happens over TCP and TLS too, and every fault is in the trace."""

import contextlib
import json
import subprocess
import sys
import time

import pytest

from host_sim.broker import cli
from host_sim.broker.faultfile import line_of, plan_from
from host_sim.broker.faults import ACTIONS, DOWN, UP, FaultPlan, Injected, Outage
from host_sim.broker.packets import Connack, Connect, Pingreq, Pingresp, Puback, Publish
from host_sim.broker.server import ThreadedBroker
from tests.broker.wire import TIMEOUT, Wire


@pytest.fixture(params=["tcp", "tls"])
def pair(request, certificates):
    """pair(plan): a broker with it, and a writer and a reader of t."""
    secure = request.param == "tls"
    with contextlib.ExitStack() as stack:

        def make(plan):
            server, client = (
                (certificates.server_context(), certificates.client_context()) if secure else (None, None)
            )
            broker = stack.enter_context(ThreadedBroker(faults=plan, tls=server))
            wires = [Wire(broker.port, client).connect(name) for name in ("writer", "reader")]
            for wire in wires:  # before the broker stops: it would wait for their goodbye
                stack.callback(wire.close)
            wires[1].subscribe("t")
            return broker, *wires

        yield make


def numbers(messages):
    return [int(message.payload) for message in messages]


def publish(writer, *sent, qos=0):
    """And wait until the broker has them all."""
    for number in sent:
        writer.send(Publish("t", b"%d" % number, qos, packet_id=number if qos else 0))
    writer.send(Pingreq())
    while not isinstance(packet := writer.receive(), Pingresp):
        assert isinstance(packet, Puback)


def test_without_faults_a_plan_changes_nothing(pair):
    _, writer, reader = pair(FaultPlan())
    publish(writer, *range(1, 200), qos=1)
    assert numbers(reader.wait_for_messages(199)) == list(range(1, 200))
    writer.send(*(bytes([byte]) for byte in Publish("t", b"7").encode()), Pingreq())
    assert writer.receive() == Pingresp()
    assert numbers(reader.messages()) == [7]


@pytest.mark.parametrize(
    ("action", "amount", "arrives"),
    [("drop", None, [1, 3]), ("duplicate", None, [1, 2, 2, 3]), ("reorder", 60_000, [1, 3, 2])],
)
@pytest.mark.parametrize("direction", [UP, DOWN])
def test_a_message_is_lost_doubled_or_late(pair, action, amount, arrives, direction):
    plan = FaultPlan()
    broker, writer, reader = pair(plan)
    broker.inject(action, direction=direction, topic="t", skip=1, amount=amount)
    publish(writer, 1, 2, 3)
    assert numbers(reader.messages()) == arrives
    client = "writer" if direction == UP else "reader"
    (fault,) = plan.trace
    assert fault[1:6] == (direction, client, "t", 1, action)
    assert abs(fault.at / 1000 - time.time()) < 60


def test_a_delayed_message_comes_after_its_time(pair):
    plan = FaultPlan()
    broker, writer, reader = pair(plan)
    broker.inject("delay", direction=UP, amount=200)
    publish(writer, 1, 2)
    assert numbers(reader.wait_for_messages(2)) == [2, 1]
    broker.inject("delay", direction=DOWN, amount=200)
    publish(writer, 3, 4)
    assert numbers(reader.wait_for_messages(2)) == [4, 3]
    broker.inject("reorder", amount=1)  # none comes after it
    publish(writer, 5)
    assert numbers(reader.wait_for_messages(1)) == [5]
    assert [fault.amount for fault in plan.trace] == [200, 200, 1]


def test_a_bit_is_flipped(pair):
    broker, writer, reader = pair(FaultPlan())
    broker.inject("corrupt", amount=0)
    publish(writer, 2)
    assert numbers(reader.messages()) == [3]


@pytest.mark.parametrize(
    ("action", "direction", "arrives", "cut_off"),
    [
        ("disconnect", UP, [], "writer"),
        ("disconnect_after", UP, [5], "writer"),
        ("disconnect", DOWN, [], "reader"),
        ("disconnect_after", DOWN, [5], "reader"),
    ],
)
def test_a_connection_is_lost_with_a_message_or_behind_it(pair, action, direction, arrives, cut_off):
    plan = FaultPlan()
    broker, writer, reader = pair(plan)
    broker.inject(action, direction=direction)
    writer.send(Publish("t", b"5", 1, packet_id=5))
    if cut_off == "writer":
        assert writer.is_closed()  # without the PUBACK
        assert numbers(reader.wait_for_messages(len(arrives))) == arrives
    else:
        assert writer.receive() == Puback(5)
        found = [reader.expect(Publish) for _ in arrives]
        assert numbers(found) == arrives
        assert reader.is_closed()
    assert [fault.action for fault in plan.trace] == [action]


def test_what_is_lost_on_its_way_down_comes_again_with_the_session(pair):
    """[MQTT-4.4.0-1]: the fault is the network's, not the broker's"""
    broker, writer, reader = pair(FaultPlan())
    reader.close()
    reader = Wire(broker.port, _context_of(reader)).connect("lasting", clean_session=False)
    reader.subscribe("t")
    broker.inject("drop", direction=DOWN, client="lasting")
    publish(writer, 1, qos=1)
    assert reader.messages() == []
    reader.close()
    reader = Wire(broker.port, _context_of(writer)).connect("lasting", clean_session=False)
    assert [(m.payload, m.dup) for m in reader.wait_for_messages(1)] == [(b"1", True)]


def _context_of(wire):
    return getattr(wire.socket, "context", None)


def test_malformed_bytes_are_judged_by_the_broker_as_without_a_plan(pair):
    broker, writer, _ = pair(FaultPlan(rates={"drop": 1.0}))
    for number, malformed in enumerate((b"\xff\xff\xff", Publish("a+", b"").encode()), 1):
        writer.send(malformed)
        assert writer.is_closed()
        assert broker.counts.protocol_errors == number
        writer = Wire(broker.port, _context_of(writer)).connect("writer")


def test_planned_outages_come_and_go_by_themselves():
    plan = FaultPlan(outages=[Outage(0, 150), Outage(300, 50, silent=True)])
    with ThreadedBroker(faults=plan) as broker:
        end = time.monotonic() + TIMEOUT
        while len(plan.trace) < 4 and time.monotonic() < end:
            time.sleep(0.01)
        assert [fault.action for fault in plan.trace] == ["cut", "restore", "silence", "restore"]
        Wire(broker.port).connect("a")
    times = [fault.at for fault in plan.trace]
    assert times == sorted(times)


def test_outages_that_a_test_makes_are_in_the_trace_too():
    plan = FaultPlan()
    with ThreadedBroker(faults=plan) as broker:
        broker.restore()
        broker.cut()
        broker.restore()
        broker.cut(silent=True)
        broker.restore()
    assert [fault.action for fault in plan.trace] == ["cut", "restore", "silence", "restore"]


def test_the_same_seed_gives_the_same_faults_over_tcp_too():
    traces = []
    for _ in range(2):
        plan = FaultPlan(11, dict.fromkeys(["drop", "duplicate", "corrupt"], 0.1), directions=(UP,))
        with ThreadedBroker(faults=plan) as broker:
            publish(Wire(broker.port).connect("writer"), *range(1, 300), qos=0)
        traces.append([fault[1:] for fault in plan.trace])
    assert traces[0] == traces[1]
    assert {fault[4] for fault in traces[0]} == {"drop", "duplicate", "corrupt"}


# -- plans as documents --


def test_a_document_is_the_plan_that_a_test_would_write():
    recorded = []
    plan = plan_from(
        {
            "seed": 3,
            "rates": {"drop": 0.5, "delay": 0},
            "directions": ["down"],
            "topic": "a/#",
            "max_delay_ms": 10,
            "script": [{"action": "corrupt", "direction": "up", "topic": "b", "client": "c", "amount": 1}],
            "outages": [{"at_ms": 1, "for_ms": 2, "silent": True}],
        },
        recorded.append,
    )
    assert plan.outages == (Outage(1, 2, True),)
    assert plan.choose(5, UP, "c", Publish("b", b"x")) == Injected(5, UP, "c", "b", 1, "corrupt", 1)
    assert plan.choose(5, UP, "c", Publish("a/b", b"x")) is None
    assert {plan.choose(6, DOWN, "c", Publish("a/b", b"x")) is None for _ in range(50)} == {True, False}
    assert plan.trace == []  # it was told where the lines go
    assert len(recorded) > 10
    assert json.loads(line_of(recorded[0])) == {
        "at": 5, "direction": "up", "client": "c", "topic": "b", "size": 1, "action": "corrupt", "amount": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ([], "is a JSON object"),
        ({"rate": {}}, "no member 'rate'"),
        ({"seed": "1"}, "'seed' of a fault plan"),
        ({"seed": True}, "'seed' of a fault plan"),
        ({"rates": {"explode": 0.1}}, "no fault named 'explode'"),
        ({"rates": {"drop": "often"}}, "a rate is a number"),
        ({"rates": {"drop": 2}}, "at most 1"),
        ({"directions": ["sideways"]}, "no such direction"),
        ({"directions": [1]}, "a direction is a string"),
        ({"topic": "a/#/b"}, "no such direction or filter"),
        ({"script": [{}]}, "entry 1 of the script needs 'action'"),
        ({"script": [{"action": "drop"}, 1]}, "entry 2 of the script is a JSON object"),
        ({"script": [{"action": "drop", "at": 1}]}, "no member 'at'"),
        ({"script": [{"action": "drop", "count": 0}]}, "count is at least 1"),
        ({"outages": [{"at_ms": 1}]}, "outage 1 needs 'for_ms'"),
        ({"outages": [{"at_ms": 1, "for_ms": -1}]}, "ends before it begins"),
        ({"outages": [{"at_ms": 1, "for_ms": 1, "silent": 1}]}, "'silent' of outage 1"),
    ],
)
def test_a_document_that_is_no_plan_says_why(document, complaint):
    with pytest.raises(ValueError, match=complaint):
        plan_from(document)


# -- from the command line --


@pytest.fixture
def start():
    """start(*arguments) -> (process, port) once it listens."""
    running = []

    def run(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "host_sim", "broker", "--port", "0", "--allow-anonymous", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process, int(process.stdout.readline().rpartition(":")[2])

    yield run
    for process in running:
        process.kill()
        process.communicate()


def test_the_command_line_takes_a_plan_and_writes_the_trace_to_a_file(start, tmp_path):
    plan, trace = tmp_path / "plan.json", tmp_path / "trace.jsonl"
    script = [
        {"action": "drop", "topic": "t", "direction": "up", "skip": 1},
        {"action": "disconnect", "skip": 1},
    ]
    plan.write_text(json.dumps({"script": script}))
    process, port = start("--faults", str(plan), "--trace", str(trace))
    wire = Wire(port).connect("w")
    wire.publish("t", b"1")
    wire.send(Publish("t", b"2", 1, packet_id=2), Publish("t", b"3", 1, packet_id=3))
    assert wire.is_closed()
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    assert [(line["action"], line["client"]) for line in lines] == [("drop", "w"), ("disconnect", "w")]
    process.terminate()
    assert process.communicate(timeout=TIMEOUT)[1] == ""


def test_the_command_line_takes_rates_and_a_seed_and_writes_the_trace_to_standard_output(start):
    found = []
    for _ in range(2):
        arguments = ("--fault-rate", "drop=0.2", "--fault-rate", "corrupt=0.2", "--seed", "5", "--trace", "-")
        process, port = start(*arguments)
        publish(Wire(port).connect("w"), *range(1, 50))
        process.terminate()
        out, err = process.communicate(timeout=TIMEOUT)
        assert err == ""
        lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        found.append([{**line, "at": 0} for line in lines])
    assert found[0] == found[1]
    assert {line["action"] for line in found[0]} == {"drop", "corrupt"}


def test_the_command_line_takes_limits(start):
    _, port = start("--limit", "max_connect_size=64", "--limit", "max_connections=3")
    assert Wire(port).send(Connect("x" * 100)).is_closed()
    assert Wire(port).send(Connect("short")).receive() == Connack(0)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--limit", "max_fun=1"], "no limit named 'max_fun'"),
        (["--limit", "max_retained=many"], "takes a whole number, and got 'many'"),
        (["--limit", "max_inflight=0"], "max_inflight must be in"),
        (["--fault-rate", "drop=often"], "takes a probability, and got 'often'"),
        (["--fault-rate", "explode=0.1"], "no fault named 'explode'"),
        (["--faults", "/nowhere/plan"], "cannot read /nowhere/plan"),
        (["--seed", "1"], "are for faults"),
        (["--trace", "-"], "are for faults"),
        (["--fault-rate", "drop=0", "--trace", "/nowhere/trace"], "cannot write /nowhere/trace"),
    ],
)
def test_the_command_line_says_what_it_cannot_do(capsys, arguments, complaint):
    assert cli.main(["--port", "0", "--allow-anonymous", *arguments]) == 1
    assert complaint in capsys.readouterr().err


def test_a_plan_that_is_none_is_explained(capsys, tmp_path):
    for text, complaint in (("{", "is not JSON"), ("[]", "is a JSON object"), ('{"sed": 1}', "no member")):
        (tmp_path / "plan.json").write_text(text)
        assert cli.main(["--port", "0", "--allow-anonymous", "--faults", str(tmp_path / "plan.json")]) == 1
        assert complaint in capsys.readouterr().err


def test_the_help_lists_every_action_every_limit_and_what_is_not_there(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    for word in (*ACTIONS, "max_retained_bytes", "session_expiry_ms", "QoS 2", "MQTT 5", "shared"):
        assert word in out
