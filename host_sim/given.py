"""Files and folders that somebody names on a command line: what is wrong with one, and what to name instead.

It must never show what a file holds, nor leave anybody with a number of the system's.
"""

import sys
from pathlib import Path

from host_sim.trouble import Trouble


class WrongPath(Trouble):
    """A path that was given cannot be used; says why, and what to give."""


def first_line(option: str, file: str | Path, most: int, holds: str) -> str:
    """The first line of a file of UTF-8, without its end, at most so many characters. Raises WrongPath.

    `option`: with which it was given. `holds`: what that line is, such as "the password".
    """
    try:
        with open(file, encoding="utf-8") as stream:
            return stream.readline(most).rstrip("\r\n")
    except UnicodeDecodeError:
        why = "it is no text in UTF-8"
    except OSError as error:
        why = reason(error, file)
    raise WrongPath(f"{option} {file}: {why}; name a file whose first line is {holds}")


def line_of_input(option: str, most: int, holds: str) -> str:
    """The same of standard input, for which `-` was given."""
    try:
        line = sys.stdin.readline(most)
        line.encode()  # in some locales what is none comes as halves of surrogate pairs
    except UnicodeError:
        raise WrongPath(f"{option} -: it is no text in UTF-8; give {holds} as its first line") from None
    return line.rstrip("\r\n")


def wrong_folder(option: str, folder: Path, holds: str, error: OSError) -> WrongPath:
    """That a folder cannot hold something, such as "Mosquitto's files", because of `error`."""
    return WrongPath(
        f"{folder} cannot hold {holds} ({reason(error, folder)}): name another folder with {option}"
    )


def reason(error: OSError, path: str | Path) -> str:
    """Why what is at `path`, or in it, could not be read or written."""
    within = Path(error.filename2 or error.filename or path)  # of two, the one that was to be replaced
    what = "it" if within.absolute() == Path(path).absolute() else str(within)
    match error:
        case FileNotFoundError():
            return "there is no such file" if what == "it" else f"{what} is not there"
        case IsADirectoryError():
            return f"{what} is a folder"
        case FileExistsError():
            return f"{what} is a file"
        case NotADirectoryError():
            return f"in its path {_file_in(path)} is a file"
        case PermissionError():
            return f"this account has no access to {what}"
    return error.strerror or str(error)


def _file_in(path: str | Path) -> Path:
    """The part of a path that is no folder."""
    whole = Path(path).absolute()
    return next((one for one in reversed(whole.parents) if one.is_file()), whole)
