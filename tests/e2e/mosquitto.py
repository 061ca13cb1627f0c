"""The real Mosquitto of the end-to-end tests: the one that the long runs use."""

from host_sim.soak.mosquitto import Mosquitto, free_port

__all__ = ["Mosquitto", "free_port"]
