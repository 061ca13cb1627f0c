"""A cloud that is made to send commands by the user's own programs: --send and --online.

It must never put a secret into a command's arguments or environment.
"""

import json
import subprocess
import threading

from host_sim.conformance.case import KitError
from host_sim.conformance.cloud.line import NO_API, NO_ONLINE, NO_SEND, Api, Outcome
from host_sim.conformance.hooks import run, said, words

SEND_S = 900.0  # a command that the cloud was asked to send lives no longer
ONLINE_S = 30.0
MAX_OUTPUT = 4000  # characters of a command's output that are kept


class _Asked:
    """A --send command that runs until the cloud has settled what it asked for."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._outcome: Outcome | None = None
        self._trouble: str | None = None
        try:
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        except OSError as error:
            raise KitError(f"--send cannot be run: {words[0]}: {error.strerror}") from None
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        try:
            text, _ = self._process.communicate(timeout=SEND_S)
        except (subprocess.TimeoutExpired, ValueError):
            self._process.kill()
            self._trouble = f"--send did not end within {SEND_S:g} s"
            return
        self._outcome = Outcome(self._process.returncode == 0, text.strip()[-MAX_OUTPUT:])

    def outcome(self) -> Outcome | None:
        if self._trouble is not None:
            raise KitError(self._trouble)
        return self._outcome

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()


class Programs:
    """An `Operator` for the device `device_id`. `send` and `online`: the user's commands, None without;
    `api`: where devices ask over HTTP, None where that is not known.
    """

    def __init__(self, device_id: str, send: str | None, online: str | None, api: Api | None = None) -> None:
        self._device_id, self._send, self._online, self._api = device_id, send, online, api
        self._asked: list[_Asked] = []

    def ask(self, action: str, params: dict) -> _Asked:
        if self._send is None:
            raise NO_SEND
        given = {"device": self._device_id, "action": action, "params": json.dumps(params)}
        self._asked.append(_Asked(words(self._send, "--send", given)))
        return self._asked[-1]

    def online(self) -> bool:
        if self._online is None:
            raise NO_ONLINE
        done = run(words(self._online, "--online", {"device": self._device_id}), "--online", ONLINE_S)
        if done.returncode not in (0, 1):
            raise KitError(f"--online ended with status {done.returncode}: {said(done)}")
        return done.returncode == 0

    def api(self) -> Api:
        if self._api is None:
            raise NO_API
        return self._api

    def forget(self) -> None:
        for asked in self._asked:
            asked.stop()

    def close(self) -> None:
        self.forget()
