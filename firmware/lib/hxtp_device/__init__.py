"""The device around the protocol: settings, storage, clock, Wi-Fi, MQTT, watchdog, and the loop over them.

Each module is a thin adapter; what a message means is decided in `hxtp`, what a part does in
`capabilities`. Importing this package must do nothing.
"""

VERSION = "0.1.0"

# Seconds since 1970 that have certainly passed, 2026-01-01: no clock of ours is set to less.
BUILT = 1767225600
