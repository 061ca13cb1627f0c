"""What a cloud keeps of a device besides what people say of it: its link with the protocol's numbers, its
keys, its commands, and what it reported.

Must never hold a message back or let one go: that is the exchange's.
"""
