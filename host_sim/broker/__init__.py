"""The mock MQTT 3.1.1 broker: one core without I/O, in memory with faults or over TCP and TLS.

A test bench's broker and a laptop's default, not a product; for what `DOES_NOT` lists there are Mosquitto and
EMQX. `core.Broker` is the whole behaviour, and its docstring says which module holds what;
`memory.MemoryNetwork` runs it in virtual time, `server.BrokerServer` and `server.ThreadedBroker` run it for
real clients, `cli` from a shell. `faults` and `lanes` are what goes wrong on purpose.
"""

DOES_NOT = {
    "MQTT 5": "a CONNECT of it gets return code 1, so that clients fall back",
    "MQTT 3.1": "the same",
    "QoS 2": "a subscription is granted 1; a message, a will or an acknowledgement of it ends the connection",
    "shared subscriptions": "$share/… is a filter like any other",
    "$SYS": "nothing is published below it, and it is a topic like any other that begins with $",
    "storage": "retained messages and sessions end with the process",
    "expiry of messages": "what waits in a queue waits as long as its session",
    "WebSockets, bridges, clusters, plugins": "not there",
    "limits by user": "limits are for a connection, a session, an address or all together",
    "QoS 0 messages that wait": "for a reader that is behind or away they are dropped, and counted",
    "topics of more than 201 levels": "names and filters of that kind are malformed, as with Mosquitto",
}
"""What it does not do, and what happens instead."""
