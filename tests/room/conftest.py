"""Boards for the room: those of tests/board, on both runtimes."""

from tests.board.conftest import make, runtime

__all__ = ["make", "runtime"]
