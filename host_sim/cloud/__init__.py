"""The reference cloud: the HxTP Cloud API over devices on MQTT.

Arrows point inwards: `routes` (HTTP) and `live` (WebSocket) ask the `gate`, the gate the `exchange` (turns
over what devices send and are sent), both the `catalogue` (what people own) and `links` (what is kept of a
device's session, keys and commands), and these `storage`; nothing in `storage` or `security` knows of HTTP,
and the protocol is `hxtp`, the same that the devices run. Nothing here may let a message leave before what it
depends on is committed, put a secret into a log or an answer where the API does not say so, or reach past a
tenant.
"""
