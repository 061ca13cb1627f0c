"""A house for long runs: Mosquitto with TLS, the gateway, the firmware on real MicroPython in a limited heap.

It must never end a process that it did not start, nor leave one behind.
"""

import json
import os
import shutil
import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from host_sim.board import VirtualBoard
from host_sim.gateway.gateway import Gateway
from host_sim.gateway.store import Store
from host_sim.pki import make_pki
from host_sim.provision import board_files
from host_sim.soak.mosquitto import Mosquitto
from hxtp.sign import mqtt_password


class Missing(RuntimeError):
    """A program is not on this machine; the text says which."""


def program(name: str) -> str:
    """The path of an installed program, /usr/sbin included, which an ordinary PATH leaves out."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which(name, path=path)
    if found is None:
        raise Missing(f"{name} is not here: make packages")
    return found


class Broker(Mosquitto):
    """Mosquitto that can also fall silent: connections stay, nothing is answered, nobody is told."""

    def pause(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.resume()  # a stopped process does not end when it is asked to
        super().stop()


class House:
    """`gateway`, `broker`, `board`, `device` (its id). A context manager: the board starts within.

    `board_data`: the parts of the device. `capabilities`: more modules, name → source. `heap` as in
    VirtualBoard. Raises Missing, host_sim.board.BoardError (the firmware did not even start).
    """

    def __init__(
        self,
        folder: Path,
        board_data: Mapping,
        heap: str = "128K",
        capabilities: Mapping[str, Path] | None = None,
    ) -> None:
        self._stack = ExitStack()
        with ExitStack() as stack:
            pki = make_pki(folder / "pki")
            store = Store(folder / "gateway", "home")
            stack.callback(store.close)
            registration = store.register(board_data["device_type"], int(time.time()))
            self.device = registration.device_id
            users = {
                "gateway": "for-this-test-only",
                self.device: mqtt_password(registration.secret, self.device, registration.password_expiry),
            }
            self.broker = Broker(program, folder / "mosquitto", pki, users)
            address = f"mqtts://127.0.0.1:{self.broker.port}"
            files: dict = board_files(
                registration,
                address,
                registration.password_expiry,
                pki.ca.read_text(),
                "boards/mine.json",
            )
            files["boards/mine.json"] = json.dumps(dict(board_data))
            for name, source in (capabilities or {}).items():
                files[f"capabilities/{name}.py"] = source
            self.gateway = Gateway(
                store, self.broker.port, ca_file=pki.ca, username="gateway", password=users["gateway"]
            )
            self.board = VirtualBoard(folder / "board", runtime="micropython", heap=heap, files=files)
            self._stack = stack.pop_all()

    def __enter__(self) -> "House":
        with self._stack as stack:
            stack.enter_context(self.broker)
            self.gateway.start()
            stack.callback(self.gateway.stop)
            self.board.start()
            stack.callback(self.board.stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *unused: object) -> None:
        self._stack.close()
