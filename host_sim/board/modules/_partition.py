"""`esp32.Partition` of the simulated ESP32, and what else few programs want of that module.

It must never say that an image was written or will boot.
"""

import _board


class Partition:
    """The layout of the flash, as far as an application asks: which slot runs, and whether there is another.

    Images cannot be written or booted here: set_boot() and the block calls are not simulated.
    """

    BOOT = 0
    RUNNING = 1
    TYPE_APP = 0
    TYPE_DATA = 1

    def __init__(self, id):
        if id in (self.BOOT, self.RUNNING):
            id = "factory" if _board.slots == 1 else "ota_0"
        for row in _layout():
            if row[4] == id:
                self._row = row
                return
        raise OSError(2)

    @classmethod
    def find(cls, type=TYPE_APP, subtype=0xFF, label=None, block_size=4096):
        found = []
        for row in _layout():
            if row[0] == type and subtype in (0xFF, row[1]) and label in (None, row[4]):
                found.append(cls(row[4]))
        return found

    def info(self):
        """(type, subtype, address, size, label, encrypted)"""
        return self._row

    def get_next_update(self):
        """The slot for the next image; OSError(ENOENT) where there is only one, as on most stock images."""
        if _board.slots == 1:
            raise OSError(2)
        return Partition("ota_1" if self._row[4] == "ota_0" else "ota_0")

    @staticmethod
    def mark_app_valid_cancel_rollback():
        """Keep the running image. With one slot there is nothing to roll back, and nothing happens."""
        _board.record("app_valid")


def _layout():
    if _board.slots == 1:
        apps = ((0, 0, 0x10000, 0x1F0000, "factory", False),)
    else:
        apps = ((0, 16, 0x10000, 0x180000, "ota_0", False), (0, 17, 0x190000, 0x180000, "ota_1", False))
    data = ((1, 2, 0x9000, 0x6000, "nvs", False), (1, 1, 0xF000, 0x1000, "phy_init", False))
    return apps + data


def mcu_temperature():
    return 40


def wake_on_ext0(pin=None, level=None):
    """Waking by a pin is not simulated; the host wakes a sleeping board."""
