"""The tables, a module for each file of vectors, in the order of reading."""

from tools.vectors.tables import frame

FILES = [frame.FILE]
