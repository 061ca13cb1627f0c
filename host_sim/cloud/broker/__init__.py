"""Brokers that are not ours: setting Mosquitto up, and telling it which devices may come in."""
