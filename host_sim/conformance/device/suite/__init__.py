"""The cases for a device, by chapter. Each is a function of a `device.cloud.Cloud`, and ends with nothing
left over.

Cases that leave a hello unanswered stand first, so that one connection serves several.
"""
