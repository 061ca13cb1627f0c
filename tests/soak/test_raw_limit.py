"""What `raw_limit` has a board learn before it measures: a button of each protocol, as it can be learned."""

import pytest

from host_sim.ir.signals import codecs, from_fields
from host_sim.soak.raw_limit import button


@pytest.mark.parametrize("protocol", sorted(codecs.MODULES))
def test_the_button_of_each_protocol_is_heard_as_just_that(protocol):
    fields = button(protocol)
    once = from_fields("", protocol, **fields).once
    start, end = codecs.frames(once)[0]
    told = codecs.decode(once[start:end])
    assert told is not None and told["protocol"] == protocol
    assert {name: told[name] for name in fields} == fields
