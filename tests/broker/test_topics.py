"""Matching: the tree, the single comparison and an independent reading of the standard agree."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_sim.broker import topics

level = st.sampled_from(["", "a", "b", "$x"])
names = st.lists(level, min_size=1, max_size=4).map("/".join).filter(topics.is_name)


@st.composite
def filters(draw):
    levels = draw(st.lists(st.one_of(level, st.just("+")), max_size=4))
    if not levels or draw(st.booleans()):
        levels.append(draw(st.sampled_from(["#", "a", "+"])))
    topic_filter = "/".join(levels)
    return topic_filter or "+"


def oracle(topic_filter, name):
    """4.7.1 and 4.7.2 as a regular expression."""
    if name.startswith("$") and topic_filter[0] in "+#":
        return False
    if topic_filter == "#":
        return True
    pattern = re.escape(topic_filter).replace(r"\+", "[^/]*")
    pattern = re.sub(r"/\\#$", "(/.*)?", pattern)
    return re.fullmatch(pattern, name, re.DOTALL) is not None


@given(filters(), names)
def test_matching_agrees_with_the_standard(topic_filter, name):
    """[MQTT-4.7.1-2] [MQTT-4.7.1-3] [MQTT-4.7.2-1]"""
    assert topics.is_filter(topic_filter)
    assert topics.matches(topic_filter, name) == oracle(topic_filter, name)


@given(st.lists(st.tuples(st.booleans(), filters(), st.sampled_from("xyz"), st.integers(0, 1))), names)
def test_the_tree_finds_whom_single_comparison_finds(calls, name):
    """[MQTT-3.3.5-1] the highest QoS of those that match, [MQTT-3.8.4-3] an identical filter is replaced"""
    tree = topics.SubscriptionTree()
    model = {}
    for adds, topic_filter, who, qos in calls:
        tree.match(name)  # so that a remembered answer would show if it were stale
        if adds:
            tree.add(topic_filter, who, qos)
            model[topic_filter, who] = qos
        else:
            known = model.pop((topic_filter, who), None) is not None
            assert tree.remove(topic_filter, who) == known
    expected = {}
    for (topic_filter, who), qos in model.items():
        if topics.matches(topic_filter, name):
            expected[who] = max(qos, expected.get(who, 0))
    assert dict(tree.match(name)) == expected
    assert len(tree) == len(model)
    for topic_filter, who in model:
        assert tree.remove(topic_filter, who)
    assert tree._root.children == {}  # nothing of what was removed stays in memory


@given(filters(), filters(), names)
def test_a_permission_covers_only_filters_that_stay_inside_it(permitted, wanted, name):
    if topics.covers(permitted, wanted) and topics.matches(wanted, name):
        assert topics.matches(permitted, name)


@given(filters(), names)
def test_a_permission_covers_the_names_that_it_matches(permitted, name):
    assert topics.covers(permitted, name) == topics.matches(permitted, name)


@pytest.mark.parametrize(
    ("permitted", "wanted", "covered"),
    [
        ("hxtp/#", "hxtp/#", True),
        ("hxtp/#", "hxtp", True),
        ("hxtp/#", "hxtp/+/device/#", True),
        ("hxtp/#", "+/t", False),
        ("hxtp/#", "#", False),
        ("hxtp/+", "hxtp/#", False),
        ("a/+/c", "a/+/c", True),
        ("a/b/c", "a/+/c", False),
        ("#", "$SYS/#", False),
        ("#", "#", True),
    ],
)
def test_permissions_by_example(permitted, wanted, covered):
    assert topics.covers(permitted, wanted) is covered


@pytest.mark.parametrize("topic", ["", "a\0", "x" * 65536, "é" * 32768, "/" * topics.MAX_LEVELS])
def test_bounds_hold_for_names_and_filters(topic):
    """[MQTT-4.7.3-1] [MQTT-4.7.3-2] [MQTT-4.7.3-3]"""
    assert not topics.is_name(topic)
    assert not topics.is_filter(topic)


@pytest.mark.parametrize("topic", ["x" * 65535, "é" * 32767, "/" * (topics.MAX_LEVELS - 1)])
def test_the_bounds_themselves_are_inside(topic):
    """[MQTT-4.7.3-3]"""
    assert topics.is_name(topic)
    assert topics.is_filter(topic)


@pytest.mark.parametrize(
    ("names", "subscribers"),
    [(100_000, 1), (400, 1000), (1000, 1)],
    ids=["many names", "many subscribers", "long names"],
)
def test_remembered_answers_are_bounded(names, subscribers):
    """By what they weigh, and not by how many they are."""
    tree = topics.SubscriptionTree()
    for number in range(subscribers):
        tree.add("#", number, 0)
    length = 60_000 if names == 1000 else 1
    for number in range(names):
        tree.match("t" * length + str(number))
    entries = sum(len(answer) for answer in tree._answers.values())
    assert entries <= 1 << 16
    assert sum(map(len, tree._answers)) <= 1 << 20
    assert tree.match("t") == tuple((number, 0) for number in range(subscribers))
