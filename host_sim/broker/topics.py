"""Topic names and filters: validity, matching, and the tree that finds subscribers.

It knows strings and opaque subscribers only: no packets, no permissions, no clients.
Nothing here recurses, so that a topic of a thousand levels costs time in proportion to
its length and cannot exhaust the stack.
"""

from collections.abc import Hashable, Iterator

MAX_LEVELS = 201
"""Levels in a name or a filter; more is refused as malformed. A limit of this broker (Mosquitto has
the same one), since the standard sets none below the 65,535 bytes of a string."""

MAX_BYTES = 65535  # [MQTT-4.7.3-3]

_CACHE_SIZE = 1 << 16
"""What is remembered between changes of the tree: subscribers of names, each name counting for a few more
by its length. So neither many names nor long ones nor popular ones can make it large."""


def is_name(topic: str) -> bool:
    """Whether a message can be published to `topic`: not empty, no wildcard, no U+0000.

    [MQTT-3.3.2-2] [MQTT-4.7.1-1] [MQTT-4.7.3-1] [MQTT-4.7.3-2] [MQTT-4.7.3-3]
    """
    return not ("+" in topic or "#" in topic) and _is_bounded(topic)


def is_filter(topic_filter: str) -> bool:
    """Whether it may be subscribed to: `+` and `#` only as whole levels, `#` only as the last.

    [MQTT-4.7.1-2] [MQTT-4.7.1-3] and the bounds that hold for names too.
    """
    if not _is_bounded(topic_filter):
        return False
    if "#" not in topic_filter and "+" not in topic_filter:
        return True
    levels = topic_filter.split("/")
    if "#" in levels[:-1]:
        return False
    return all(level in ("+", "#") or not ("+" in level or "#" in level) for level in levels)


def _is_bounded(topic: str) -> bool:
    if not topic or "\0" in topic or topic.count("/") >= MAX_LEVELS:
        return False
    return len(topic) * 4 <= MAX_BYTES or len(topic.encode()) <= MAX_BYTES


def is_wild(topic_filter: str) -> bool:
    return "+" in topic_filter or "#" in topic_filter


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a valid filter takes a valid name. `a/#` takes `a` too; a leading wildcard never takes `$…`.

    [MQTT-4.7.2-1]
    """
    if topic[0] == "$" and topic_filter[0] in "+#":
        return False
    wanted = topic_filter.split("/")
    levels = topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index == len(levels) or level not in ("+", levels[index]):
            return False
    return len(wanted) == len(levels)


def covers(permitted: str, wanted: str) -> bool:
    """Whether every name that `wanted` (a filter or a name) takes is also taken by `permitted`."""
    if wanted[0] == "$" and permitted[0] in "+#":
        return False
    allowed = permitted.split("/")
    levels = wanted.split("/")
    for index, level in enumerate(allowed):
        if level == "#":
            return True
        if index == len(levels) or levels[index] == "#" or level not in ("+", levels[index]):
            return False
    return len(allowed) == len(levels)


class _Node:
    __slots__ = ("children", "subscribers")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.subscribers: dict[Hashable, int] = {}


class SubscriptionTree:
    """Who gets a message: subscriptions as a tree by topic level, with the answers for recent names kept.

    A subscriber is any hashable object. The order of an answer depends only on the order
    of the calls before, never on hashes or addresses.
    """

    def __init__(self) -> None:
        self._root = _Node()
        self._answers: dict[str, tuple[tuple[Hashable, int], ...]] = {}
        self._remembered = 0

    def add(self, topic_filter: str, subscriber: Hashable, qos: int) -> None:
        """Subscribe; an identical filter of the same subscriber is replaced ([MQTT-3.8.4-3])."""
        node = self._root
        for level in topic_filter.split("/"):
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = _Node()
            node = child
        node.subscribers[subscriber] = qos
        self._forget()

    def remove(self, topic_filter: str, subscriber: Hashable) -> bool:
        """Unsubscribe by exactly this filter ([MQTT-3.10.4-1]); False if there was no such subscription."""
        path = []
        node = self._root
        for level in topic_filter.split("/"):
            child = node.children.get(level)
            if child is None:
                return False
            path.append((node, level))
            node = child
        if node.subscribers.pop(subscriber, None) is None:
            return False
        for parent, level in reversed(path):
            child = parent.children[level]
            if child.subscribers or child.children:
                break
            del parent.children[level]
        self._forget()
        return True

    def match(self, topic: str) -> tuple[tuple[Hashable, int], ...]:
        """The subscribers of a valid name, each once, with the highest QoS of its matching filters.

        [MQTT-3.3.5-1]: where filters of one client overlap, one copy at the maximum QoS.
        """
        answer = self._answers.get(topic)
        if answer is None:
            found: dict[Hashable, int] = {}
            for node in self._nodes(topic):
                for subscriber, qos in node.subscribers.items():
                    if qos > found.get(subscriber, -1):
                        found[subscriber] = qos
            answer = tuple(found.items())
            weight = len(answer) + 4 + len(topic) // 16
            if self._remembered + weight > _CACHE_SIZE:
                self._forget()
            if weight <= _CACHE_SIZE:
                self._remembered += weight
                self._answers[topic] = answer
        return answer

    def _forget(self) -> None:
        self._answers.clear()
        self._remembered = 0

    def __len__(self) -> int:
        """Subscriptions in the tree (walks it: for tests and figures)."""
        count, nodes = 0, [self._root]
        while nodes:
            node = nodes.pop()
            count += len(node.subscribers)
            nodes.extend(node.children.values())
        return count

    def _nodes(self, topic: str) -> Iterator[_Node]:
        """The nodes whose path matches, level by level.

        The nodes alive at a level are at most the filters of that length, so the work is
        bounded by the subscriptions that exist, whatever the wildcards in them.
        """
        alive = [self._root]
        wild = topic[0] != "$"  # [MQTT-4.7.2-1], for the first level only
        for level in topic.split("/"):
            below = []
            for node in alive:
                children = node.children
                if wild and "#" in children:
                    yield children["#"]
                if level in children:
                    below.append(children[level])
                if wild and "+" in children:
                    below.append(children["+"])
            alive = below
            wild = True
            if not alive:
                return
        for node in alive:
            yield node
            if "#" in node.children:  # `sport/#` also takes `sport` itself (4.7.1.2)
                yield node.children["#"]
