"""Files with a name a line and a reason behind `#`: the xfail list, the list of features. It only reads."""

from pathlib import Path

from host_sim.conformance.case import KitError

MAX_BYTES = 1 << 20


def read(path: str, what: str) -> dict[str, str]:
    """The names of the file with their reasons, in order. Empty lines and mere comments count for nothing."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise KitError(f"{what} {path} is longer than {MAX_BYTES} bytes")
        text = data.decode()
    except OSError as error:
        raise KitError(f"{what} {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise KitError(f"{what} {path} is not text in UTF-8") from error
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, _, reason = (part.strip() for part in line.partition("#"))
        if not name:
            continue
        if len(name.split()) > 1:
            raise KitError(f"{path}:{number}: one name a line; a reason goes behind a #")
        if name in found:
            raise KitError(f"{path}:{number}: {name} is there twice")
        found[name] = reason
    return found
