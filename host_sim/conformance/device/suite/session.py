"""A session in its course: the form of messages, state, presence, renewal."""

from host_sim.conformance.case import Failed, case, expect
from host_sim.conformance.device.cloud import Cloud
from host_sim.conformance.device.effect import UNKNOWN, Call
from host_sim.conformance.draft import compact
from hxtp import frame
from hxtp.session import whole

GROUP = "Session"


@case(
    "form-bare",
    "a device answers in the form of the first authentic message of the connection: bare",
    ("HX3-WIRE-05", "HX3-WIRE-06"),
    group=GROUP,
)
def form_bare(cloud: Cloud) -> None:
    _form(cloud, False)


@case(
    "form-framed",
    "a device answers in the form of the first authentic message of the connection: framed",
    ("HX3-WIRE-05", "HX3-WIRE-06"),
    group=GROUP,
)
def form_framed(cloud: Cloud) -> None:
    _form(cloud, True)


def _form(cloud: Cloud, framed: bool) -> None:
    hello = cloud.hello()
    cloud.answer(hello, framed=framed)
    cloud.manual = False
    said = [cloud.expect("state")]
    for mine in (framed, not framed):
        cloud.framed = mine
        draft = cloud.command(Call(UNKNOWN, {}))
        cloud.send(draft)
        said.append(cloud.expect_ack(draft, "failed", "UNKNOWN_ACTION"))
    cloud.framed = framed
    for each in said:
        expect(f"whether a message of type {each.type} is framed", framed, each.framed)


@case(
    "what-is-sent",
    "what the device sends is canonical: sorted, compact ASCII, ids and body by the table",
    ("HX3-WIRE-33", "HX3-WIRE-34", "HX3-WIRE-38", "HX3-WIRE-39", "HX3-WIRE-43"),
    group=GROUP,
)
def what_is_sent(cloud: Cloud) -> None:
    cloud.ready()
    cloud.probe()
    newest = {said.type: said for said in cloud.record.said if said.message}
    for said in newest.values():
        members = said.members
        text = said.payload[frame.HEADER :] if said.framed else said.payload
        if text != compact(members) and not _has_decimals(members):
            raise Failed(
                f"a {said.type} with sorted members, compact and in ASCII", text[:200].decode("latin-1")
            )
        expect(f"request_id of a {said.type}", members["message_id"], members["request_id"])
        expect(f"client_id of a {said.type}", cloud.device_id, members["client_id"])
        if "params" not in members:
            raise Failed(f"the body of a {said.type} as params", repr(sorted(members)))
        id = members["message_id"]
        if len(id) != 36 or id != id.lower() or id[14] != "4" or id[19] not in "89ab":
            raise Failed("a version 4 UUID in lower case as message_id", repr(id))


def _has_decimals(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_has_decimals, value.values()))
    return isinstance(value, float) or (isinstance(value, list) and any(map(_has_decimals, value)))


@case(
    "state-at-beginning",
    "the whole state is told at the beginning of each session",
    ("HX3-STATE-01", "HX3-STATE-02"),
    group=GROUP,
)
def state_at_beginning(cloud: Cloud) -> None:
    cloud.ready()
    before = cloud.state
    cloud.begin(cloud.reconnect())
    expect("the members of the state in the new session", sorted(before), sorted(cloud.state))


@case(
    "state-at-new-session-is-true",
    "the state of a new session is what the last command left",
    ("HX3-STATE-02",),
    group=GROUP,
)
def state_is_true(cloud: Cloud) -> None:
    cloud.need_effect()
    cloud.run(cloud.effect.do)
    cloud.expect_shown(True)
    cloud.state = {}
    cloud.begin(cloud.reconnect())
    cloud.expect_shown(True)


@case(
    "telemetry",
    "a sample tells when it was taken, and is not older than its queue makes it",
    ("HX3-STATE-03",),
    ("telemetry",),
    limit=300,
    group=GROUP,
)
def telemetry(cloud: Cloud) -> None:
    cloud.ready()
    said = cloud.expect("telemetry", 90000)
    taken = said.body.get("sampled_at")
    if not whole(taken, 1, said.message.timestamp):
        raise Failed("sampled_at: the protocol time of the sample in ms, before it was sent", repr(taken))


@case(
    "heartbeat",
    "a heartbeat comes once in each interval that hello_ack named, the first an interval after it",
    ("HX3-PRES-01", "HX3-SESS-20"),
    group=GROUP,
)
def heartbeat(cloud: Cloud) -> None:
    cloud.begin(cloud.hello(), heartbeat_interval=5)
    begun = cloud.line.now()
    cloud.forget()
    first = cloud.expect("heartbeat", 9000)
    second = cloud.expect("heartbeat", 9000)
    expect("the body of a heartbeat", {}, first.body)
    for what, ms in (("the first heartbeat", first.at - begun), ("the next", second.at - first.at)):
        if not 3500 <= ms <= 7500:
            raise Failed(f"{what} after 5 s", f"{ms} ms")


@case(
    "heartbeat-bounds",
    "an interval below 5 s is taken for 5 s",
    ("HX3-SESS-20",),
    group=GROUP,
)
def heartbeat_bounds(cloud: Cloud) -> None:
    cloud.begin(cloud.hello(), heartbeat_interval=0)
    begun = cloud.line.now()
    cloud.forget()
    said = cloud.expect("heartbeat", 9000)
    if said.at - begun < 3500:
        raise Failed("a heartbeat after 5 s", f"one after {said.at - begun} ms")


@case("will", "the will is the empty message on heartbeat, at QoS 0", ("HX3-PRES-03",), group=GROUP)
def will(cloud: Cloud) -> None:
    cloud.ready()
    cloud.leave()
    said = cloud.find(lambda said: said.type in ("will", "hello"), 20000)
    if said is None or said.type != "will":
        raise Failed("the empty message on heartbeat when the connection is lost", str(said or "nothing"))
    expect("the QoS of the will", 0, said.qos)


@case(
    "heartbeats-in-their-turn",
    "heartbeats go on while commands are answered",
    ("HX3-PRES-01", "HX3-STATE-06"),
    group=GROUP,
)
def heartbeats_in_their_turn(cloud: Cloud) -> None:
    cloud.begin(cloud.hello(), heartbeat_interval=5)
    until = cloud.line.now() + 9000
    while cloud.line.now() < until and not cloud.inbox("heartbeat"):
        cloud.probe()
        cloud.wait(400)
    if not cloud.inbox("heartbeat"):
        raise Failed("a heartbeat within 9 s, 5 s being its interval, while commands come", "none")


@case(
    "renewal-when-stale",
    "an authentic but stale message makes the device say hello anew, once 60 s have passed since the last",
    ("HX3-SESS-27", "HX3-VAL-14"),
    ("slow",),
    limit=300,
    group=GROUP,
)
def renewal_when_stale(cloud: Cloud) -> None:
    cloud.at_rest()
    cloud.begin(cloud.hello())
    begun = cloud.line.now()
    cloud.manual = True
    stale = cloud.command().signing(timestamp=cloud.now() - 400000)
    cloud.send(stale)
    cloud.expect_silence("a stale command")
    if cloud.inbox("hello"):
        raise Failed("no new hello within 60 s of the last", "one")
    cloud.wait(62000 - (cloud.line.now() - begun))
    cloud.forget()
    cloud.send(cloud.command().signing(timestamp=cloud.now() - 400000))
    hello = cloud.expect("hello")
    cloud.probe()  # it serves meanwhile
    cloud.begin(hello)
    cloud.probe()


@case(
    "renewal-unanswered",
    "a renewal that nobody answers ends the connection after 60 s",
    ("HX3-SESS-28",),
    ("slow",),
    limit=400,
    group=GROUP,
)
def renewal_unanswered(cloud: Cloud) -> None:
    cloud.begin(cloud.hello())
    cloud.manual = True
    cloud.wait(62000)
    cloud.forget()
    cloud.send(cloud.command().signing(timestamp=cloud.now() - 400000))
    hello = cloud.expect("hello")
    challenge = hello.body["challenge"]
    other = cloud.find(
        lambda said: said.type == "hello" and said.body["challenge"] != challenge, 75000 + cloud.patience
    )
    if other is None:
        raise Failed("a new connection with a new hello after a renewal without an answer", cloud.heard())
    if other.at - hello.at < 55000:
        raise Failed("60 s of patience with a renewal", f"{other.at - hello.at} ms")


@case(
    "renewal-after-silence",
    "after 10 min without a message of the cloud the device says hello anew",
    ("HX3-SESS-26",),
    ("slow",),
    limit=900,
    group=GROUP,
)
def renewal_after_silence(cloud: Cloud) -> None:
    cloud.begin(cloud.hello())
    begun = cloud.line.now()
    cloud.manual = True
    hello = cloud.expect("hello", 640000)
    if not hello.at - begun >= 590000:
        raise Failed("a renewal after 10 min of silence", f"one after {hello.at - begun} ms")
    cloud.begin(hello)
