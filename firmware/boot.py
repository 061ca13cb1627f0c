"""Runs first at every start: counts failed starts and decides whether this one is in safe mode."""

from hxtp_device import guard

guard.start()
