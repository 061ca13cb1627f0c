"""A small gateway: registers devices, verifies what they send, signs commands, awaits their acks.

It stands where a cloud will stand, so it is thin: the protocol is `hxtp.cloud`, one Link per
device. `store` keeps what must outlive a crash, `hub` joins links and store without any I/O but the
store's file, `gateway` carries the hub's messages over MQTT, `pki` and `provision` make what a board
needs, `control` and `cli` are for people, `bench` starts all of it with the mock broker.

What it does not do: users and permissions, REST, bootstrap (a board's MQTT password is good for 30
days, then `gateway renew`), claims, key rotation, updates, more than one process on one store.
"""
