"""The WebSocket: what devices tell, as it happens, for dashboards and for programs that sign what they send.

    exchange → fanout (to every worker) → room (a tenant's connections here) → outbox → one connection

Nothing here may make the exchange wait, and no peer may make this hold more than its bounds.
"""
