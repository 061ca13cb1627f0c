"""What long runs need: a real Mosquitto, a house around a board, and the search for the smallest heap.

The runs themselves are in tests/soak (`make soak`). Nothing here may be needed by a device or the gateway.
"""
