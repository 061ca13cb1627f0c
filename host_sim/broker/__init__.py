"""The mock MQTT 3.1.1 broker: one core without I/O, in memory with faults or over TCP and TLS.

A test bench's broker and a laptop's default, not a product. `core.Broker` is the whole
behaviour; `memory.MemoryNetwork` runs it in virtual time, `server.BrokerServer` and
`server.ThreadedBroker` run it for real clients, `cli` from a shell.

What it does not do: MQTT 5 (refused with return code 1, so that clients fall back), MQTT 3.1,
QoS 2 (subscriptions are granted 1, messages end the connection), persistent sessions (every
session is clean), shared subscriptions, bridges, WebSockets, `$SYS`, storage on disk.
"""
