"""MQTT topics: `hxtp/{tenant}/device/{device}/{channel}`."""

SUBSCRIBED = ("cmd", "ota")


def topic(tenant_id, device_id, channel):
    """The topic of one channel. Raises ValueError where an id would change the topic's structure."""
    for part in (tenant_id, device_id):
        if not part or "/" in part or "+" in part or "#" in part:
            raise ValueError("not usable in a topic: " + repr(part))
    return "hxtp/%s/device/%s/%s" % (tenant_id, device_id, channel)


def split(name):
    """(tenant, device, channel) of a topic name, or None where it is not one of ours."""
    parts = name.split("/")
    if len(parts) != 5 or parts[0] != "hxtp" or parts[2] != "device" or not parts[1] or not parts[3]:
        return None
    return parts[1], parts[3], parts[4]
