"""What stands between a request and a device: every command, whoever asks, goes through `gate.Gate`."""
