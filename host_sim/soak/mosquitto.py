"""A real Mosquitto: TLS on the loopback interface, one user per device with topics of its own."""

import contextlib
import socket
import subprocess
import time
from pathlib import Path

from host_sim.pki import Pki

SETTINGS = """\
listener {port} 127.0.0.1
cafile {ca}
certfile {certificate}
keyfile {key}
tls_version tlsv1.2
allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/acl
persistence false
log_dest file {folder}/mosquitto.log
user root
"""

ACL = """\
user gateway
topic readwrite hxtp/#

pattern write hxtp/+/device/%u/state
pattern write hxtp/+/device/%u/cmd_ack
pattern write hxtp/+/device/%u/hello
pattern write hxtp/+/device/%u/heartbeat
pattern write hxtp/+/device/%u/telemetry
pattern write hxtp/+/device/%u/manifest
pattern read hxtp/+/device/%u/cmd
pattern read hxtp/+/device/%u/ota
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Mosquitto:
    """`users`: name -> password. Passwords go through a file that mosquitto_passwd hashes in place."""

    def __init__(self, program, folder: Path, pki: Pki, users: dict[str, str]) -> None:
        self.port = free_port()
        self._program = program("mosquitto")
        self._log = folder / "mosquitto.log"
        self._process: subprocess.Popen | None = None
        folder.mkdir(parents=True)
        passwords = folder / "passwords"
        passwords.write_text("".join(f"{name}:{password}\n" for name, password in users.items()))
        passwords.chmod(0o600)
        subprocess.run([program("mosquitto_passwd"), "-U", str(passwords)], check=True, timeout=30)
        acl = folder / "acl"
        acl.write_text(ACL)
        acl.chmod(0o600)
        self._settings = folder / "mosquitto.conf"
        self._settings.write_text(
            SETTINGS.format(
                port=self.port, ca=pki.ca, certificate=pki.certificate, key=pki.key, folder=folder
            )
        )

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        self.stop()
        raise AssertionError(f"Mosquitto does not start: {self.log()[-2000:]}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
            self._process = None

    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def __enter__(self) -> "Mosquitto":
        self.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self.stop()
