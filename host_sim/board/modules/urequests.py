"""`urequests`: the old name of `requests`, as stock firmware still has it."""

from requests import *  # noqa: F403
