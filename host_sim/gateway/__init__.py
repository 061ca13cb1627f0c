"""The protocol's cloud end alone, in memory or over MQTT, for tests in virtual time and long runs; people use
host_sim.cloud.

It registers devices, verifies what they send, signs commands and awaits their acks. It is thin: the protocol
is `hxtp.cloud`, one Link per device.

    store.py, places.py   what must outlive a crash, in memory or in a file
    hub.py                joins links and store, without any I/O but the store's
    memory.py             a hub on the in-memory broker, in virtual time
    gateway.py            a hub over MQTT
    bench.py              that with the mock broker and certificates, all at once

It must never get what belongs to a service: users, REST, more than one process on one store.
"""
