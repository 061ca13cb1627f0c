"""The cases for a cloud. Each is a function of a `cloud.device.Device` that is connected and has a
session.
"""
