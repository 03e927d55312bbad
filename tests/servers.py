"""A private PostgreSQL and a private Redis, each on a free loopback port with a folder of its own. Both can be stopped,
frozen and killed; nothing of the machine's own servers is touched."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import redis

from tests.components import need, postgresql_programs
from tests.orchestrator import free_port, wait_for

START_LIMIT_S = 60.0
ACCOUNT = "postgres"
PASSWORD = "not-in-any-log"


class Server:
    """One server process. `start` waits until it answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder / "server.log"
        self._process: subprocess.Popen[Any] | None = None

    def start(self) -> None:
        # One that was killed leaves children behind, which hold its memory until they notice.
        wait_for(self._started, START_LIMIT_S, self.tail)

    def _started(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    self.command(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.folder,
                    env=self.environment(),
                    **_as_account(self.account),
                )
        return self.answers()

    account = ""

    def environment(self) -> dict[str, str] | None:
        """None: that of the tests."""
        return None

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    def answers(self) -> bool: ...

    def stop(self) -> None:
        """As an operator stops it: what was asked of it is written first, and every connection is cut."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=300)

    def kill(self) -> None:
        """kill -9 of the server and all its children."""
        assert self._process is not None
        for pid in (*self._family(), self._process.pid):
            _signal(pid, signal.SIGKILL)
        self._process.wait(timeout=150)

    def freeze(self) -> None:
        """Connections stay, and nothing is answered."""
        assert self._process is not None
        for pid in (self._process.pid, *self._family()):
            _signal(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        for pid in (*self._family(), self._process.pid):
            _signal(pid, signal.SIGCONT)

    def _family(self) -> list[int]:
        assert self._process is not None
        pid = self._process.pid
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
        return [int(child) for child in listed]

    def tail(self) -> str:
        return self.log.read_text("utf-8", "replace")[-3000:] if self.log.exists() else ""


class PostgreSQL(Server):
    """`url(name)` names a database of it; `create(name)` makes one, as a copy of another where `like` says so."""

    account = ACCOUNT if os.geteuid() == 0 else ""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._programs = postgresql_programs()
        _give(folder, self.account)
        password = folder / "password"
        password.write_text(PASSWORD)
        _give(password, self.account)
        subprocess.run(
            [
                *(str(self._programs / "initdb"), "--pgdata", str(folder / "data"), "--username", "matins"),
                *("--auth", "scram-sha-256", "--pwfile", str(password), "--encoding", "UTF8", "--locale", "C.UTF-8"),
            ],
            check=True,
            capture_output=True,
            cwd=folder,
            **_as_account(self.account),
        )

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "150",
            "shared_buffers": "32MB",
            # In its folder, which is removed: a server that is killed leaves what it has in /dev/shm.
            "dynamic_shared_memory_type": "mmap",
        }
        named = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", str(self.folder / "data"), *named]

    def answers(self) -> bool:
        try:
            with self.connect("postgres"):
                return True
        except psycopg.OperationalError:
            return False

    def connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="matins",
            password=PASSWORD,
            dbname=database,
            autocommit=True,
            connect_timeout=20,
        )

    def url(self, database: str) -> str:
        return f"postgresql://matins:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, like: str = "template1") -> str:
        with self.connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{database}" TEMPLATE "{like}"'.encode())
        return self.url(database)


class Redis(Server):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        settings = {"port": str(self.port), "bind": "127.0.0.1", "save": "", "dir": str(self.folder)}
        return ["redis-server", *(part for name, value in settings.items() for part in (f"--{name}", value))]

    def client(self) -> redis.Redis:
        return redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=30, socket_connect_timeout=10)

    def answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


@contextlib.contextmanager
def running_postgresql() -> Iterator[PostgreSQL]:
    need("postgresql")
    with own_folder("matins-postgresql-") as folder:
        server = PostgreSQL(folder)
        try:
            server.start()
            yield server
        finally:
            server.thaw()
            server.kill()


@contextlib.contextmanager
def running_redis() -> Iterator[Redis]:
    need("redis-server")
    with own_folder("matins-redis-") as folder:
        server = Redis(folder)
        try:
            server.start()
            yield server
        finally:
            server.thaw()
            server.kill()


@contextlib.contextmanager
def own_folder(prefix: str) -> Iterator[Path]:
    # Not under pytest's own folder: that is closed to other accounts, and PostgreSQL does not run as root.
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_account(account: str) -> dict[str, Any]:
    return {"user": account, "group": account, "extra_groups": []} if account else {}


def _give(path: Path, account: str) -> None:
    if account:
        shutil.chown(path, account, account)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
