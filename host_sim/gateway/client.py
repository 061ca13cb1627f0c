"""Asks a running gateway over its control port. Knows nothing of MQTT, keys or devices."""

import json
from http.client import HTTPConnection, HTTPException
from pathlib import Path

FILE = "control.json"
MAX_WAIT = 330.0  # seconds that a command may be waited for: until one that lives 300 s has ended
PLACES = (Path("build/gateway"), Path("build/demo/gateway"))  # of `gateway serve` and of the demonstration


class ControlError(Exception):
    """What the gateway refused, or why it could not be asked. `choices`: what is possible instead."""

    def __init__(self, message: str, code: str = "", choices: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.choices = choices


def usual_place() -> Path:
    """The data folder that is meant where none is named: the first of the usual ones with a gateway on it."""
    return next((place for place in PLACES if (place / FILE).exists()), PLACES[0])


def ask(
    folder: str | Path, method: str, path: str, request: dict | None = None, timeout: float = 30.0
) -> dict:
    """Ask the gateway that runs on `folder`. Raises ControlError."""
    file = Path(folder) / FILE
    none = f"no gateway is running on {folder}; start one: python -m host_sim gateway serve --data {folder}"
    try:
        control = json.loads(file.read_text())
        port, token = int(control["port"]), str(control["token"])
    except FileNotFoundError:
        raise ControlError(none) from None
    except PermissionError:
        raise ControlError(f"{file} belongs to somebody else") from None
    except (ValueError, KeyError, TypeError):
        raise ControlError(f"{file} is not what a gateway wrote; start the gateway again") from None
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        body = None if request is None else json.dumps(request).encode()
        connection.request(method, path, body, {"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        answer = json.loads(response.read())
    except ConnectionRefusedError:
        raise ControlError(f"{none} (the last one did not end in good order)") from None
    except (OSError, HTTPException, ValueError) as error:
        raise ControlError(f"the gateway did not answer: {error!r}") from None
    finally:
        connection.close()
    if response.status != 200:
        raise ControlError(
            str(answer.get("message")), str(answer.get("code")), tuple(answer.get("choices", ()))
        )
    return answer
