"""How many of something there are, in words: "1 device", "2 devices". It knows nothing of what is counted."""


def counted(number: int, one: str, several: str | None = None) -> str:
    """A number and what it is of. `several`: what stands behind any number but 1; else `one` with an s.

    The verb may come along: `counted(n, "device is", "devices are")`.
    """
    return f"{number} {one if number == 1 else several or f'{one}s'}"
