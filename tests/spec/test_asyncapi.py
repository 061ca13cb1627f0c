"""The AsyncAPI document says of the channels what the code does."""

import json

from hxtp import frame, topics
from hxtp_device import device
from tests.spec.tables import SPEC

DOCUMENT = json.loads((SPEC / "asyncapi.json").read_text())


def resolved(reference):
    value = DOCUMENT
    for part in reference["$ref"].removeprefix("#/").split("/"):
        value = value[part]
    return value


def test_channels_and_messages_are_those_of_the_table():
    """HX3-TRANS-01."""
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert set(DOCUMENT["channels"]) == {entry[1] for entry in frame.TYPES.values()}
    for name, channel in DOCUMENT["channels"].items():
        kinds = {kind for kind, entry in frame.TYPES.items() if entry[1] == name}
        assert set(channel["messages"]) == kinds
        assert channel["address"] == topics.topic("{tenant}", "{device}", name)
        for kind, message in channel["messages"].items():
            assert resolved(message)["name"] == kind
            assert (SPEC / resolved(message)["payload"]["schema"]["$ref"]).exists()


def test_the_device_receives_what_it_subscribes_and_sends_the_rest_at_its_quality():
    """HX3-TRANS-01, HX3-TRANS-04."""
    for operation in DOCUMENT["operations"].values():
        channel = operation["channel"]["$ref"].rsplit("/", 1)[1]
        assert operation["action"] == ("receive" if channel in topics.SUBSCRIBED else "send")
        assert operation["bindings"]["mqtt"]["qos"] == (0 if channel in device._UNSURE else 1)
        assert {reference["$ref"].rsplit("/", 1)[1] for reference in operation["messages"]} == set(
            DOCUMENT["channels"][channel]["messages"]
        )
    assert len(DOCUMENT["operations"]) == len(DOCUMENT["channels"])
