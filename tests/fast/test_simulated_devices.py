"""A simulated device holds what is alike once for all of them, and does what hxtp's own classes would do."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from host_sim import fast
from host_sim.compact import stored_by
from host_sim.device import Lamp, Relay, SimDevice
from hxtp.registry import Registry
from hxtp.session import Session


class Named(Lamp):
    """A lamp that declares its actions itself, and not its class."""

    def __init__(self, description: str) -> None:
        super().__init__()
        self.actions = {"light_on": (1, description, {})}


def device(number=1, **more):
    return SimDevice(f"{number:032x}", "tenant-1", b"\xab" * 32, Random(number).randbytes, **more)


def plain(parts) -> Registry:
    registry = Registry()
    for part in parts:
        registry.add(part)
    return registry


def test_devices_of_a_kind_share_the_manifest_and_nothing_that_changes():
    one, other = device(1), device(2)
    assert one.session.registry.manifest() is other.session.registry.manifest()
    assert one.session.registry.manifest() == plain([Lamp(), Relay()]).manifest()
    one.session.registry.run("light_on", {})
    assert one.session.registry.state()["light"] is True and other.session.registry.state()["light"] is False


def test_parts_of_other_names_and_parts_that_declare_for_themselves_have_their_own_manifest():
    told = {
        device(number, parts=parts).session.registry.manifest()
        for number, parts in enumerate(
            [
                lambda: [Lamp(), Relay()],
                lambda: [Lamp("desk"), Relay()],
                lambda: [Relay(), Lamp()],
                lambda: [Lamp("a"), Lamp("b")],
                lambda: [Named("one")],
                lambda: [Named("another")],
            ]
        )
    }
    assert len(told) == 5  # the order of parts is not in it


def test_more_kinds_than_are_remembered():
    for number in range(200):
        session = device(number, parts=lambda number=number: [Lamp(f"lamp-{number}")]).session
        assert f'"lamp-{number}"' in session.registry.manifest()
        assert session.registry.run("light_on", {})["ack_status"] == "executed"


ACTIONS = st.sampled_from(["light_on", "light_off", "light_brightness", "relay_toggle", "nothing", ""])
PARAMS = st.dictionaries(
    st.sampled_from(["brightness", "target", "action", "x"]),
    st.integers(-5, 105) | st.sampled_from(["a", "b", "light", None, True]),
    max_size=3,
)


@given(st.lists(st.tuples(ACTIONS, PARAMS), max_size=12))
def test_it_runs_every_command_as_the_registry_of_hxtp_does(commands):
    def parts():
        return [Lamp("a"), Lamp("b"), Relay()]

    simulated, wanted = device(parts=parts).session.registry, plain(parts())
    for action, params in commands:
        assert simulated.run(action, params) == wanted.run(action, params)
        assert simulated.state() == wanted.state()


def test_a_fault_in_a_part_is_kept_and_answered_as_an_internal_error():
    class Broken(Lamp):
        def light_on(self, params):
            raise ZeroDivisionError

    broken = device(parts=lambda: [Broken()])
    assert broken.session.registry.run("light_on", {}) == {"ack_status": "failed", "error": "INTERNAL_ERROR"}
    assert [type(fault) for fault in broken.faults] == [ZeroDivisionError]


def test_a_session_keeps_what_every_one_has_in_slots():
    session = device().session
    session.connected(0)
    session.take(0)
    session.receive("cmd", b"{}", 1)
    assert vars(session) == {} and sum(session.refused.values()) == 1


def test_slots_are_for_what_the_methods_assign_and_no_class_has_a_value_for():
    class Thing:
        known = 1

        def __init__(self):
            self.one = self.two = 0

        def change(self):
            self.known = self.three = 2

    assert stored_by(Thing) == ("one", "three", "two")
    assert "framed" not in fast.Session.__slots__ and Session.framed is True


@given(st.binary(min_size=1, max_size=64), st.binary(max_size=200))
def test_the_small_key_makes_the_same_macs(secret, text):
    assert fast.SmallKey(secret).mac(text) == fast.Key(secret).mac(text)
