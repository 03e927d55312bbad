"""A private RabbitMQ beside the servers of tests.servers: one node with its own port mapper, both on loopback, without
plugins and without a file of the machine's. The program of Debian's package is started past its wrapper, which wants to
be root or another account."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from amqp import Connection, Message
from amqp.exceptions import AMQPError

from tests.components import need, rabbitmq_program
from tests.orchestrator import free_port, wait_for
from tests.servers import PASSWORD, START_LIMIT_S, Server, own_folder

NODE = "matins@localhost"
ACCOUNT = "matins"
QUEUE = "matins"
CONSUMER_TIMEOUT_S = 5
"""How long a message may stay unacknowledged. Each is as soon as a thread of a worker is free, and those are for longer
than that at work only where a test sees to it; elsewhere it were no harm."""


class RabbitMQ(Server):
    """`url` names its only virtual host."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.url = f"amqp://{ACCOUNT}:{PASSWORD}@127.0.0.1:{self.port}/{ACCOUNT}"
        self.mapper_port = free_port()
        self._mapper: subprocess.Popen[Any] | None = None
        (folder / "plugins").write_text("[].\n")

    def start(self) -> None:
        # A node without one starts one for itself sooner or later, on every address, that outlives it.
        if self._mapper is None:
            self._mapper = subprocess.Popen(
                ["epmd", "-address", "127.0.0.1", "-port", str(self.mapper_port)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            wait_for(self._mapper_answers, START_LIMIT_S, self.tail)
        super().start()

    def command(self) -> list[str]:
        settings = {
            "tcp_listeners": f'[{{"127.0.0.1",{self.port}}}]',
            "default_vhost": f'<<"{ACCOUNT}">>',
            "default_user": f'<<"{ACCOUNT}">>',
            "default_pass": f'<<"{PASSWORD}">>',
            # Not half an hour, and not looked at once a minute.
            "consumer_timeout": str(CONSUMER_TIMEOUT_S * 1000),
            "channel_tick_interval": "500",
        }
        return [
            *(str(rabbitmq_program()), "-noinput", "-sname", NODE, "-setcookie", PASSWORD, "-start_epmd", "false"),
            *("-kernel", "inet_dist_use_interface", "{127,0,0,1}", "+S", "1:1"),
            *(part for name, value in settings.items() for part in ("-rabbit", name, value)),
        ]

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.mapper_port),
            # One process, not a shell around it.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            # That do not exist: those of the machine are not read.
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
        }

    def answers(self) -> bool:
        try:
            with self.client():
                return True
        except (OSError, AMQPError):
            return False

    def client(self) -> Connection:
        """A connection, open as a context."""
        return Connection(
            f"127.0.0.1:{self.port}", userid=ACCOUNT, password=PASSWORD, virtual_host=ACCOUNT, connect_timeout=10
        )

    def forget(self) -> None:
        """Deletes the queue and all that waits in it."""
        with self.client() as connection:
            connection.channel().queue_delete(QUEUE)

    def purge(self) -> None:
        """Forgets every message that no worker has yet."""
        with self.client() as connection:
            connection.channel().queue_purge(QUEUE)

    def put(self, *messages: tuple[bytes, dict[str, Any]]) -> None:
        """Puts bodies with such properties on the queue, which exists, as they are."""
        with self.client() as connection:
            channel: Any = connection.channel()
            for body, properties in messages:
                channel.basic_publish(_message(body, properties), exchange="", routing_key=QUEUE)

    def waiting(self) -> int:
        """How many messages no worker has yet."""
        return self._queue().message_count

    def consumers(self) -> int:
        """How many workers listen."""
        return self._queue().consumer_count

    def _queue(self) -> Any:
        with self.client() as connection:
            return connection.channel().queue_declare(QUEUE, passive=True)

    def timeouts(self) -> int:
        """How often it has taken messages back since they were not acknowledged in time."""
        return self.log.read_text("utf-8", "replace").count("delivery acknowledgement on channel")

    def end(self) -> None:
        if self._process is not None:
            self.thaw()
            self.kill()
        if self._mapper is not None:
            self._mapper.kill()
            self._mapper.wait(timeout=150)

    def _mapper_answers(self) -> bool:
        asked = ["epmd", "-port", str(self.mapper_port), "-names"]
        return subprocess.run(asked, capture_output=True, timeout=150, check=False).returncode == 0


@contextlib.contextmanager
def running_rabbitmq() -> Iterator[RabbitMQ]:
    need("rabbitmq", "epmd")
    with own_folder("matins-rabbitmq-") as folder:
        server = RabbitMQ(folder)
        try:
            server.start()
            yield server
        finally:
            server.end()


def _message(body: bytes, properties: dict[str, Any]) -> Message:
    made: Any = Message  # its signature knows text alone
    return made(body, **properties)
