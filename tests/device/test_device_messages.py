"""What the device does with a message, and with what its parts give it to tell."""

import pytest

from hxtp.errors import PAYLOAD_TOO_LARGE
from tests.device.rig import Rig


def test_telemetry_before_the_first_poll_is_refused_rather_than_lost():
    rig = Rig()
    with pytest.raises(ValueError, match="poll"):
        rig.device.telemetry({"heat": 21})


def test_a_command_runs_once_however_often_the_broker_delivers_it():
    rig = Rig().ready()
    rig.order("lamp_set", level=4)
    wire = rig.air.peer.packets
    order = rig.cloud.submit("lamp_set", {"level": 5}, rig.now)
    rig.until(order.settled)
    assert rig.lamp.runs == 2 and wire


def test_a_retained_command_is_not_run():
    rig = Rig().ready()
    order = rig.cloud.submit("lamp_set", {"level": 5}, rig.now)
    channel, payload = rig.cloud.take(rig.now)
    rig.send(channel, payload, retain=True)
    rig.steps(1000)
    assert rig.lamp.runs == 0 and not order.settled()
    assert rig.device.session.refused == {"COMMAND_INVALID": 1}


def test_an_oversize_message_is_counted_and_the_next_one_runs():
    rig = Rig().ready()
    rig.send("cmd", b"{" * 20000)
    rig.steps(2000)
    assert rig.order("lamp_set", level=2).state == "acknowledged"
    assert rig.device.session.refused == {PAYLOAD_TOO_LARGE: 1}


def test_a_message_that_finds_no_memory_is_told_with_its_size_and_the_next_one_runs(capsys):
    rig = Rig().ready()
    verifier = rig.device.session._verifier

    def parse(data, message):
        raise MemoryError

    verifier.parse = parse
    rig.send("cmd", b"{" * 3000)
    rig.steps(1000)
    del verifier.parse
    assert "hxtp: no room for 3000 bytes of message: send less at once" in capsys.readouterr().out
    assert rig.device.session.refused == {"BUFFER_OVERFLOW": 1}
    assert rig.order("lamp_set", level=2).state == "acknowledged"


def test_a_command_whose_parameters_find_no_memory_is_answered_and_the_next_one_runs(capsys):
    # HX3-CMD-36
    rig = Rig().ready()
    verifier = rig.device.session._verifier
    judge = verifier.judge

    def params():
        raise MemoryError

    def judge_alone(*message):
        judged = judge(*message)
        judged.params = params
        return judged

    verifier.judge = judge_alone
    order = rig.order("lamp_set", level=5)
    verifier.judge = judge
    assert order.error == "BUFFER_OVERFLOW" and order.attempts == 1 and rig.lamp.runs == 0
    out = capsys.readouterr().out
    assert "bytes of message: send less at once" in out and "hxtp: refused BUFFER_OVERFLOW" in out
    assert rig.order("lamp_set", level=2).state == "acknowledged"
    assert rig.lamp.runs == 1 and rig.device.errors == {}


def test_each_refusal_is_told_on_the_console(capsys):
    rig = Rig().ready()
    rig.cloud.submit("lamp_set", {"level": 5}, rig.now)
    _, payload = rig.cloud.take(rig.now)
    rig.send("cmd", payload.replace(b'"level":5', b'"level":6'))
    rig.send("cmd", b"{" * 20000)
    rig.steps(2000)
    out = capsys.readouterr().out
    assert out.count("hxtp: refused HASH_MISMATCH") == 1
    assert out.count("hxtp: refused PAYLOAD_TOO_LARGE") == 1
    assert rig.lamp.runs == 0


def test_messages_on_foreign_topics_are_ignored():
    rig = Rig().ready()
    order = rig.cloud.submit("lamp_set", {"level": 5}, rig.now)
    _, payload = rig.cloud.take(rig.now)
    for channel in ("hello", "state", "cmdx", "cm"):
        rig.send(channel, payload)
    rig.air.peer.inbox += b"\x30\x05\x00\x02\xff\xfex"  # a topic that is not even text
    rig.steps(1000)
    assert rig.lamp.runs == 0 and not order.settled()
    assert rig.device.session.refused == {} and rig.device.state == "READY"


def test_a_part_that_fails_in_an_action_is_nacked_and_counted():
    rig = Rig().ready()
    order = rig.order("lamp_fail")
    assert (order.state, order.error) == ("failed", "INTERNAL_ERROR")
    assert list(rig.device.errors) == ["a command: RuntimeError the filament is gone"]
    assert rig.order("lamp_set", level=1).state == "acknowledged"


def test_wrong_parameters_are_nacked_with_the_members_name():
    rig = Rig().ready()
    order = rig.order("lamp_set", level=99)
    assert order.error == "INVALID_PARAMS" and order.result["member"] == "level"
    assert rig.lamp.runs == 0


@pytest.mark.parametrize("value", [{"level": object()}, {"level": float("nan")}])
def test_a_state_without_a_json_form_is_told_and_nothing_else_suffers(value):
    rig = Rig().ready()
    rig.lamp.state = lambda: value
    rig.lamp.context.changed(rig.lamp)
    rig.steps(31000)
    assert rig.device.state == "READY" and len(rig.air.peers) == 1
    assert len(rig.device.errors) == 1
    assert "heartbeat" in rig.kinds()


def test_a_sample_without_a_json_form_is_told_and_nothing_else_suffers():
    rig = Rig().ready()
    rig.device.telemetry({"heat": object()})
    rig.device.telemetry({"heat": 20})
    rig.steps(1000)
    assert [event.body["heat"] for event in rig.events if event.type == "telemetry"] == [20]
    assert len(rig.device.errors) == 1 and rig.device.state == "READY"
