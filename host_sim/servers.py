"""Real PostgreSQL and Redis of one's own, for tests and benchmarks: private, on loopback, gone afterwards.

Must never touch a server that is there already, nor listen where another machine could reach it. What they
hold is lost with them, so they sync nothing to disk.
"""

import contextlib
import getpass
import glob
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

START_S = 60
STOP_S = 20


class ServerError(Exception):
    """The server is not installed or does not start; says why and what to do."""


def free_port() -> int:
    """A port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A server as a process that ends with whoever started it, also where that is killed (Linux)."""

    def __init__(
        self,
        command: list[str],
        log: Path,
        account: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._log = log
        shield = shutil.which("setpriv")
        own = {"user": account, "group": account, "extra_groups": []} if account else {}
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*([shield, "--pdeathsig", "KILL", "--"] if shield else []), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=log.parent,
                env=None if environment is None else {**os.environ, **environment},
                **own,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def wait_for(self, ready: Callable[[], bool]) -> None:
        """Raises ServerError with the log's end where it ends or does not get ready."""
        end = time.monotonic() + START_S
        while not ready():
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise ServerError(f"{self._process.args[-1]}: {self.log()[-2000:]}")
            time.sleep(0.02)

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(STOP_S)

    def stop(self, signal: int = 15) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal)
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()


def find_program(name: str) -> str | None:
    """The path of a program, also where an ordinary user's PATH does not lead."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def postgres_programs() -> Path | None:
    """The folder with the newest installed PostgreSQL's initdb and postgres, or None."""
    found = [Path(path).parent for path in glob.glob("/usr/lib/postgresql/*/bin/initdb")]
    found.sort(key=lambda path: int(path.parent.name) if path.parent.name.isdigit() else 0)
    on_path = shutil.which("initdb")
    return found[-1] if found else Path(on_path).parent if on_path else None


class Postgres:
    """A PostgreSQL with the roles hxtp_owner and hxtp_app, reachable by a socket in a folder of its own (no
    password: only who may enter the folder gets there) and on loopback (`password`, for both roles).

    It refuses to run as root: then it runs as the account `postgres` that Debian's package makes, and its
    folder cannot lie below one of root's, so it is a new one in the system's folder for such things.
    """

    OWNER = "hxtp_owner"
    APP = "hxtp_app"

    def __init__(self) -> None:
        """Raises ServerError."""
        programs = postgres_programs()
        if programs is None:
            raise ServerError("PostgreSQL is not installed: apt-get install postgresql")
        self.port = free_port()
        self.password = secrets.token_urlsafe(16)
        self._account = "postgres" if os.geteuid() == 0 else None
        self.superuser = self._account or getpass.getuser()
        self.folder = Path(tempfile.mkdtemp(prefix="hxtp-pg-"))
        try:
            if self._account:
                shutil.chown(self.folder, self._account, self._account)
            self._start(programs)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def _start(self, programs: Path) -> None:
        data = self.folder / "data"
        own = {"user": self._account, "group": self._account, "extra_groups": []} if self._account else {}
        made = subprocess.run(
            [str(programs / "initdb"), "-N", "-A", "trust", "-E", "UTF8", "--locale=C", "-D", str(data)],
            capture_output=True,
            text=True,
            timeout=START_S,
            cwd=self.folder,
            **own,
        )
        if made.returncode:
            raise ServerError(f"initdb: {made.stderr[-2000:]}")
        (data / "pg_hba.conf").write_text(
            "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n", encoding="ascii"
        )
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "unix_socket_permissions": "0700" if self._account is None else "0777",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "shared_buffers": "32MB",
            "max_connections": 120,
            "autovacuum": "off",
        }
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._process = Process(
            [str(programs / "postgres"), "-D", str(data), *words], self.folder / "log", self._account
        )
        self._process.wait_for(lambda: "ready to accept connections" in self._process.log())
        for role in (self.OWNER, self.APP):
            self.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{self.password}'")

    def execute(self, statement: str, database: str = "postgres") -> list[tuple]:
        """One statement as the superuser; its rows."""
        import psycopg

        with psycopg.connect(
            host=str(self.folder), port=self.port, user=self.superuser, dbname=database, autocommit=True
        ) as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type]  # a test's own text
            return cursor.fetchall() if cursor.description else []

    def url(self, role: str, database: str) -> str:
        """How `storage.database.Database` is told, by the socket."""
        return f"postgresql://{role}@/{database}?host={self.folder}&port={self.port}"

    def tcp_url(self, role: str, database: str) -> str:
        """On loopback; the password comes from PGPASSWORD or PGPASSFILE."""
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, template: str = "template1") -> str:
        """A new database of hxtp_owner; its name."""
        self.execute(f"CREATE DATABASE {database} OWNER {self.OWNER} TEMPLATE {template}")
        return database

    def drop(self, database: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def stop(self) -> None:
        self._process.stop(signal=3)  # at once, without a checkpoint: nobody will ask again
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "Postgres":
        return self

    def __exit__(self, *unused: object) -> None:
        self.stop()


class Redis:
    """A Redis that keeps nothing on disk. `url` names it."""

    def __init__(self, folder: Path, tls: tuple[Path, Path] | None = None) -> None:
        """`tls`: the files of its certificate and key; then it speaks nothing but TLS. Raises ServerError."""
        program = shutil.which("redis-server")
        if program is None:
            raise ServerError("Redis is not installed: apt-get install redis-server")
        self.port = free_port()
        self.url = f"{'rediss' if tls else 'redis'}://127.0.0.1:{self.port}/0"
        words = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        words += ["--port", "0", "--tls-port", str(self.port)] if tls else ["--port", str(self.port)]
        if tls:
            words += ["--tls-auth-clients", "no"]
            words += ["--tls-cert-file", str(tls[0]), "--tls-key-file", str(tls[1])]
        self._command, self._log = [program, *words], folder / "redis.log"
        self.start()

    def start(self) -> None:
        """Again, on the same port and empty, after `stop` or `kill`. Raises ServerError."""
        self._process = Process(self._command, self._log)
        self._process.wait_for(lambda: _answers(self.port))

    def stop(self) -> None:
        self._process.stop()

    def kill(self) -> None:
        """As a machine that burns."""
        self._process.kill()

    def __enter__(self) -> "Redis":
        return self

    def __exit__(self, *unused: object) -> None:
        self.stop()


def mosquitto_process(program: str, config: Path, port: int, log: Path) -> Process:
    """A Mosquitto with this configuration, which answers on `port`. Raises ServerError."""
    process = Process([program, "-c", str(config)], log)
    process.wait_for(lambda: _answers(port))
    return process
