"""Joins the Wi-Fi network and joins it again, without ever waiting. It must never print the password."""

TIMEOUT = 30000

_PROBLEMS = ("NO_AP_FOUND", "WRONG_PASSWORD", "CONNECT_FAIL", "BEACON_TIMEOUT", "HANDSHAKE_TIMEOUT")


class Wifi:
    """A station interface. Without `ssid` the maker's own code brings up the network, and this only looks."""

    def __init__(self, network, ssid=None, password=None):
        self._network = network
        self._wlan = network.WLAN(network.STA_IF)
        self._ssid = ssid
        self._password = password
        self._deadline = None

    def up(self):
        """Whether the network can be used."""
        return self._ssid is None or self._wlan.isconnected()

    def poll(self, now):
        """Go on with joining; True once joined. Raises OSError with the reason 30 s after it began."""
        if self.up():
            self._deadline = None
            return True
        if self._deadline is None:
            self._deadline = now + TIMEOUT
            self._wlan.active(False)  # forgets a half-made association
            self._wlan.active(True)
            self._wlan.connect(self._ssid, self._password)
        elif now >= self._deadline:
            self._deadline = None
            raise OSError("Wi-Fi '%s' not joined in 30 s: %s" % (self._ssid, self.status()))
        return False

    def status(self):
        """What keeps it from joining, as a word of the `network` module, or the status' number."""
        status = self._wlan.status()
        for problem in _PROBLEMS:
            if getattr(self._network, "STAT_" + problem, None) == status:
                return problem
        return str(status)
