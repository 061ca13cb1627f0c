"""The smallest heap in which the whole firmware does its work over TLS, on MicroPython with 32 bits."""

from host_sim.bench.rows import Missing, Row
from host_sim.soak import house, min_heap


def measure() -> list[Row]:
    """Raises Missing where MicroPython or Mosquitto is not here, or the firmware does not work at all."""
    try:
        value = min_heap.firmware_min_heap()
        board = min_heap.stand_ins()
    except (house.Missing, RuntimeError) as reason:
        raise Missing(str(reason)) from None
    note = (
        f"a relay device runs {min_heap.COMMANDS} commands over Mosquitto and TLS, the broker restarts once; "
        "floor: what the virtual board's own modules take of it, which lie in a chip's flash"
    )
    return [Row("firmware_min_heap", value, "bytes", board, None, 1, note)]
